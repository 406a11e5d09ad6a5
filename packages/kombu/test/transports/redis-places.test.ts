import { fileURLToPath } from "node:url";
import { systemClock } from "@pullqueue/core";
import { Connection, type RedisOptions } from "@pullqueue/kombu";
import { isMissing, startChild, temporaryFolder } from "@pullqueue/testing";
import { startRedisInstance } from "@pullqueue/testing/redis-instance";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";

/** A self-signed certificate for 127.0.0.1, of no use elsewhere. */
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../testing/test/fixtures/${name}`, import.meta.url));

const PATIENCE_MS = 20_000;

async function talk(target: string | RedisOptions): Promise<unknown> {
  await using connection = new Connection(
    typeof target === "string" ? target : { transport: "redis", transportOptions: target },
    { clock: systemClock() },
  );
  const queue = connection.simpleQueue("q");
  await queue.put("hi", { timeoutMs: PATIENCE_MS });
  const message = await queue.get({ timeoutMs: PATIENCE_MS });
  await message.ack();
  return message.payload;
}

describe.skipIf(isMissing("redis-server"))("the redis transport finds a server", () => {
  it("with a password, and says what is wrong without the right one", async () => {
    await using redis = await startRedisInstance({ settings: { requirepass: "s/cret" } });
    const { port } = redis;
    expect(await talk(`redis://:s%2Fcret@127.0.0.1:${port}/3`)).toBe("hi");
    for (const password of [undefined, "wrong"]) {
      const talking = talk({ host: "127.0.0.1", port, ...(password === undefined ? {} : { password }) });
      await expect(talking).rejects.toMatchObject({ code: "unauthenticated" });
      await expect(talking).rejects.not.toMatchObject({ message: expect.stringContaining("wrong@") });
    }
    await expect(talk(`redis://:s%2Fcret@127.0.0.1:${port}/99`)).rejects.toMatchObject({
      code: "not_supported",
      message: expect.stringMatching(/DB index/),
    });
  });

  it("behind a socket's path", async () => {
    using folder = temporaryFolder();
    const path = folder.file("redis.sock");
    await using redis = await startRedisInstance({ settings: { unixsocket: path } });
    expect(await talk(`redis+socket://${path}?virtual_host=5`)).toBe("hi");
    const admin = new Redis(redis.port, { db: 5 });
    expect(await admin.keys("pullqueue.published.*")).toHaveLength(1);
    admin.disconnect();
  });

  it("over TLS, and trusts only certificates that it has reason to trust", async () => {
    const files = {
      "tls-cert-file": fixture("loopback-cert.pem"),
      "tls-key-file": fixture("loopback-key.pem"),
    };
    const authority = { "tls-ca-cert-file": fixture("loopback-cert.pem"), "tls-auth-clients": "no" };
    await using plain = await startRedisInstance({ settings: { ...files, ...authority } });
    const tlsPort = await freePortFrom(plain.port);
    await plain.cli("CONFIG", "SET", "tls-port", String(tlsPort));
    const ca = encodeURIComponent(fixture("loopback-cert.pem"));
    expect(await talk(`rediss://127.0.0.1:${tlsPort}/0?ssl_ca_certs=${ca}`)).toBe("hi");
    expect(await talk(`rediss://127.0.0.1:${tlsPort}/0?ssl_cert_reqs=none`)).toBe("hi");
    await using connection = new Connection(`rediss://127.0.0.1:${tlsPort}/0`, { clock: systemClock() });
    await expect(connection.channel()).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringMatching(/self-signed certificate.*ssl_ca_certs/),
    });
  });

  it("by asking sentinels, and the next one after a failover", async () => {
    await using master = await startRedisInstance();
    await using replica = await startRedisInstance();
    await replica.cli("REPLICAOF", "127.0.0.1", String(master.port));
    using folder = temporaryFolder();
    const port = await freePortFrom(master.port);
    const lines = [
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      ...["down-after-milliseconds main 500", "failover-timeout main 2000"].map((line) => `sentinel ${line}`),
    ];
    const file = folder.file("sentinel.conf");
    const settings = [`port ${port}`, "bind 127.0.0.1", `dir ${folder.path}`, ...lines].join("\n");
    await startChild("/bin/sh", ["-c", `printf '%s\\n' "$0" > ${file}`, settings]).exited(PATIENCE_MS);
    await using sentinel = startChild("redis-server", [file, "--sentinel"]);
    await sentinel.line(/\+slave slave/, PATIENCE_MS);
    while (!/master_link_status:up/.test(await replica.cli("INFO", "replication")))
      await new Promise(setImmediate);
    const url = `sentinel://127.0.0.1:1;sentinel://127.0.0.1:${port}/0?master_name=main`;
    expect(await talk(url)).toBe("hi");
    await using connection = new Connection(url, { clock: systemClock() });
    const queue = connection.simpleQueue("q");
    await queue.put("before");
    // Redis confirms what its replicas may not have yet.
    await expect.poll(() => replica.cli("LLEN", "q"), { timeout: PATIENCE_MS }).toBe("1");
    await master.kill9();
    await queue.put("after");
    expect(await replica.cli("ROLE")).toMatch(/^master/);
    expect(await replica.cli("LLEN", "q")).toBe("2");
  });

  it("and without the package says which one to install", async () => {
    const program = `
      import { register } from "node:module";
      register("data:text/javascript," + encodeURIComponent(
        'export const resolve = (name, context, next) => name === "ioredis" ? Promise.reject(new Error("no such package")) : next(name, context)'));
      const { Connection } = await import("@pullqueue/kombu");
      await new Connection("redis://127.0.0.1:1").channel().catch((error) => console.log(error.code, error.message));
    `;
    await using child = startChild(process.execPath, ["--input-type=module", "-e", program]);
    await child.line(/^not_supported .*npm install ioredis$/, PATIENCE_MS);
  });

  /** Ports are given out by chance; the next free one is found by asking. */
  async function freePortFrom(port: number): Promise<number> {
    const { freePort } = await import("@pullqueue/testing/free-port");
    const found = await freePort();
    return found === port ? freePortFrom(port) : found;
  }
});
