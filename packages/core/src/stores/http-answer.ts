import { parseTakingPayloads } from "../taken-payloads.js";

/** The JSON of an answer; undefined for an empty one. The payloads of a large one's items are bytes already. */
export function parseAnswer(body: Uint8Array): unknown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const taken = parseTakingPayloads(bytes, JSON.parse);
  if (taken !== undefined) return taken;
  const text = bytes.toString();
  return text === "" ? undefined : JSON.parse(text);
}
