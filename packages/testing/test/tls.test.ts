import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { programPath } from "../src/program-path.js";
import { runProgram } from "../src/run-program.js";
import { startMemoryServer } from "./support/http-factories.js";

/** A self-signed certificate for 127.0.0.1, of no use elsewhere. */
const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** What a TLS proxy in front of a server does. */
async function startTlsProxy(serverUrl: string) {
  const { port } = new URL(serverUrl);
  const options = {
    key: readFileSync(fixture("loopback-key.pem")),
    cert: readFileSync(fixture("loopback-cert.pem")),
  };
  const proxy = createServer(options, (client) => {
    const server = connect(Number(port), "127.0.0.1");
    client.on("error", () => server.destroy());
    server.on("error", () => client.destroy());
    client.pipe(server).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    port: (proxy.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => proxy.close(() => resolve())),
  };
}

test("appengine+https:// speaks TLS, and trusts only certificates that the machine trusts", async () => {
  const server = await startMemoryServer();
  try {
    await using proxy = await startTlsProxy(server.url);
    const parameters = [
      programPath("put-and-get"),
      `appengine+https://127.0.0.1:${proxy.port}/my_project`,
      "hi",
    ];
    const trusting = await runProgram(process.execPath, parameters, {
      environment: { NODE_EXTRA_CA_CERTS: fixture("loopback-cert.pem") },
    });
    expect(trusting).toMatchObject({ code: 0, stdout: "hi\n" });
    const strict = await runProgram(process.execPath, parameters);
    expect(strict).toMatchObject({ code: 1, stdout: "" });
    expect(strict.stderr).toMatch(/127\.0\.0\.1.* certificate .*not trust.*NODE_EXTRA_CA_CERTS/);
  } finally {
    await server.close();
  }
});
