import { ORIGIN } from "./support.js";

/** Google's address for batches of this API. */
export const BATCH = "/batch/taskqueue/v1beta2";

/** The answer of one call in a batch. */
export interface PartAnswer {
  readonly id: string | undefined;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A batch as a client sends it. */
export function batchRequest(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
  path = BATCH,
): Request {
  return new Request(ORIGIN + path, {
    method: "POST",
    headers: { "content-type": "multipart/mixed; boundary=b1", ...headers },
    body,
  });
}

/** The body of a batch whose boundary is `b1`: each call a request line, headers, a blank line and a body. */
export function batchBody(...calls: readonly string[]): string {
  const parts = calls.map((call, index) =>
    ["--b1", "Content-Type: application/http", `Content-ID: <id + ${index + 1}>`, "", call, ""].join("\r\n"),
  );
  return `${parts.join("")}--b1--\r\n`;
}

/** A call with a JSON body. */
export function callWith(requestLine: string, body: unknown): string {
  return `${requestLine}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(body)}`;
}

/** Takes an answer apart, strictly: what it does not understand makes it throw. */
export async function readBatch(response: Response): Promise<readonly PartAnswer[]> {
  const boundary = /^multipart\/mixed; boundary=(\S+)$/.exec(response.headers.get("content-type") ?? "")?.[1];
  const text = Buffer.from(await response.arrayBuffer()).toString("latin1");
  const pieces = text.split(`--${boundary}`);
  if (boundary === undefined || pieces[0] !== "" || pieces.at(-1) !== "--\r\n") throw new Error(text);
  return pieces.slice(1, -1).map(readPartAnswer);
}

function readPartAnswer(piece: string): PartAnswer {
  const [, wrapping = "", status = "", head = "", body = ""] =
    /^\r\n(.*?)\r\n\r\nHTTP\/1\.1 (\d{3}) [^\r\n]+\r\n(.+?)\r\n\r\n(.*)\r\n$/s.exec(piece) ?? [];
  const headers = new Headers(head.split("\r\n").map((line) => line.split(": ") as [string, string]));
  if (Number(headers.get("content-length")) !== body.length) throw new Error(piece);
  return {
    id: /^Content-ID: (.*)$/m.exec(wrapping)?.[1],
    status: Number(status),
    headers,
    text: Buffer.from(body, "latin1").toString("utf8"),
  };
}
