import { decodeEnvelope } from "@pullqueue/kombu";

/** What a simulated producer writes, raw or as the body of a message: a name that nothing else has, and some ballast. */
export function payloadText(key: string, ballast: number): string {
  return `${key}:${"x".repeat(ballast)}`;
}

/** The name in a payload; empty for a payload that is torn or nobody's. */
export function keyOfPayload(payload: Uint8Array): string {
  const text = Buffer.from(decodeEnvelope(payload)?.content.body ?? payload).toString("latin1");
  return /^"?([a-z0-9.]+\/\d+):x*"?$/.exec(text)?.[1] ?? "";
}
