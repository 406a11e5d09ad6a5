import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { openCredentials } from "@pullqueue/auth";
import { openHttpStore, systemClock } from "@pullqueue/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** A service account at our server, which knows its public key and asks nobody: a real process. Needs the build. */

const EMAIL = "worker@shop.iam.gserviceaccount.com";
const QUEUE = { project: "shop", queue: "jobs" };
const HOUR_MS = 3_600_000;

const folder = temporaryFolder();
const front = createServer();
let server: ServerProcess;
/** The server's public address: that of a forwarder, since it has to be known before the server has a port. */
let audience: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  audience = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = {
    type: "service_account",
    client_email: EMAIL,
    private_key: privateKey.export({ format: "pem", type: "pkcs8" }),
    private_key_id: "key-1",
    token_uri: "https://oauth2.googleapis.com/token",
  };
  writeFileSync(folder.file("worker.json"), JSON.stringify(key));
  writeFileSync(folder.file("accounts.yaml"), "- key: worker.json\n  role: admin\n");
  server = await startServerProcess({
    parameters: [
      ...["--auth", "service-accounts", "--service-accounts", folder.file("accounts.yaml")],
      ...["--public-url", audience],
    ],
  });
  front.on("connection", (socket) => {
    const onward = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on("error", () => socket.destroy());
  });
});

afterAll(async () => {
  await server?.stop();
  front.close();
  folder[Symbol.dispose]();
});

describe("A service account's key and --auth service-accounts", { timeout: 60_000 }, () => {
  // Half an hour is within what such tokens allow by themselves; two hours the server's time has to mend.
  test.each([0, 25 * 60_000, -25 * 60_000, 2 * HOUR_MS, -2 * HOUR_MS])(
    "insert() and lease() work with credentials for the server's address, by a clock that is wrong by %i ms",
    async (wrongByMs) => {
      const own = systemClock();
      const clock = { ...own, nowUs: () => own.nowUs() + wrongByMs * 1000 };
      await using tokens = openCredentials({
        credentialsFile: folder.file("worker.json"),
        audience,
        clock,
      });
      await using store = openHttpStore({ endpoint: audience, tokens });
      const payload = new TextEncoder().encode("hello");
      await store.insert(QUEUE, [{ payload }]);
      const leased = await store.lease([QUEUE], { leaseMs: 60_000, maxTasks: 1 });
      expect(leased.map((task) => new TextDecoder().decode(task.payload))).toEqual(["hello"]);
    },
  );

  test("insert() is refused with credentials for another address, and says whom a token must be for", async () => {
    await using tokens = openCredentials({
      credentialsFile: folder.file("worker.json"),
      audience: "https://another.example.com",
    });
    await using store = openHttpStore({ endpoint: audience, tokens });
    await expect(store.insert(QUEUE, [{ payload: new Uint8Array() }])).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringContaining(audience),
    });
  });
});
