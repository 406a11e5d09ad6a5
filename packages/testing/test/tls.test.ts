import { cpSync, readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { connect as connectTls, createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { programPath } from "../src/program-path.js";
import { runProgram } from "../src/run-program.js";
import { startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";
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

/** Looks at a certificate in a loop that must see a change; each look is a handshake. */
const LOOKS_MAX = 1_000;

/** Whose certificate a server shows to a new connection. */
function subjectOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    }).once("error", reject);
  });
}

test("pullqueue serve takes over a new certificate on SIGHUP, and goes on", { timeout: 60_000 }, async () => {
  using folder = temporaryFolder();
  const files = { cert: folder.file("cert.pem"), key: folder.file("key.pem") };
  const use = (name: string) => {
    for (const [kind, path] of Object.entries(files)) cpSync(fixture(`${name}-${kind}.pem`), path);
  };
  use("loopback");
  const parameters = ["--tls-cert", files.cert, "--tls-key", files.key];
  await using server = await startServerProcess({ parameters });
  const port = Number(new URL(server.url).port);
  expect([new URL(server.url).protocol, await subjectOf(port)]).toEqual(["https:", "pullqueue tests"]);
  use("loopback-2");
  server.signal("SIGHUP");
  let subject = await subjectOf(port);
  for (let looks = 0; looks < LOOKS_MAX && subject === "pullqueue tests"; looks++)
    subject = await subjectOf(port);
  expect(subject).toBe("pullqueue test 2");
});
