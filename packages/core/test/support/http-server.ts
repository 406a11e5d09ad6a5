import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A real HTTP server on a free port of 127.0.0.1. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly server: Server;
  /** How many connections were ever made. */
  connections(): number;
}

/** Starts a server that answers with `listener`. Disposing of it cuts what is still open. */
export async function startTestServer(listener: RequestListener, port = 0): Promise<TestServer> {
  const server = createServer(listener);
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
