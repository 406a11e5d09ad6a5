import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What a server of a test was asked. */
interface Asked {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A server of somebody else on loopback, which answers what the test has it answer; gone at the test's end. */
export async function startAnsweringServer(answer: { status: number; json: unknown }) {
  const asked: Asked[] = [];
  const server = createServer(async (incoming, outgoing) => {
    let body = "";
    for await (const chunk of incoming) body += String(chunk);
    asked.push({ headers: incoming.headers, body });
    const text = typeof answer.json === "string" ? answer.json : JSON.stringify(answer.json);
    outgoing.writeHead(answer.status, { "content-type": "application/json" }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, asked, close };
}
