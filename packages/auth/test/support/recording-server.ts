import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came. */
export interface Recorded {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** The body as a form. */
  readonly form: Readonly<Record<string, string>>;
}

/** A server of somebody else on loopback that answers as the test says. */
export interface RecordingServer extends AsyncDisposable {
  readonly origin: string;
  readonly requests: readonly Recorded[];
}

/** Starts one on a free port; what `answer` throws is a failure of the test's server: status 500. */
export async function recordingServer(
  answer: (request: Recorded, response: ServerResponse) => unknown,
): Promise<RecordingServer> {
  const requests: Recorded[] = [];
  const server = createServer(async (incoming, response) => {
    let body = "";
    for await (const chunk of incoming) body += String(chunk);
    const { method = "", url = "", headers } = incoming;
    const form = Object.fromEntries(new URLSearchParams(body));
    const request = { method, url, headers, body, form };
    requests.push(request);
    try {
      await answer(request, response);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with a JSON value. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** Something that a test waits for. */
export function awaited(): { readonly reached: Promise<void>; readonly reach: () => void } {
  let reach = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  return { reached, reach };
}
