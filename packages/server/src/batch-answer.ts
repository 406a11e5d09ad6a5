import { STATUS_CODES } from "node:http";
import { randomFraction } from "@pullqueue/core";

/** The answer of a batch: the answers of its calls, in their order, in the form of its request. */

/** The answer of one call, read whole. */
export interface BatchedAnswer {
  /** That of the call; undefined when it had none. */
  readonly contentId: string | undefined;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** Status 200, whatever the calls' own are. */
export function batchResponse(answers: readonly BatchedAnswer[]): Response {
  // No body of ours can hold a line that begins with it: they are JSON.
  const boundary = `batch_${Math.floor(randomFraction() * 2 ** 32).toString(36)}`;
  const pieces = answers.flatMap((answer) => [
    Buffer.from(`--${boundary}\r\n${headOf(answer)}`, "latin1"),
    answer.body,
    Buffer.from("\r\n"),
  ]);
  return new Response(Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]), {
    headers: { "content-type": `multipart/mixed; boundary=${boundary}`, vary: "accept-encoding" },
  });
}

function headOf({ contentId, status, headers, body }: BatchedAnswer): string {
  const lines = ["Content-Type: application/http"];
  if (contentId !== undefined) lines.push(`Content-ID: ${responseId(contentId)}`);
  lines.push("", `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}`);
  for (const [name, value] of headers) if (name !== "content-length") lines.push(`${name}: ${value}`);
  // Clients look for the empty line behind at least one header.
  lines.push(`content-length: ${body.byteLength}`, "", "");
  return lines.join("\r\n");
}

/** `<a + 1>` is answered as `<response-a + 1>`. */
function responseId(contentId: string): string {
  return contentId.startsWith("<") ? `<response-${contentId.slice(1)}` : `response-${contentId}`;
}
