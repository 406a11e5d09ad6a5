import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { resolveConnection } from "../src/connection-options.js";
import { isKombuError } from "../src/errors.js";
import type { ConnectionOptions } from "../src/options.js";
import type { RedisOptions, RedisSettings } from "../src/redis-options.js";
import { formatTransportUrl } from "../src/transport-uri.js";

function settings(input: string | RedisOptions): RedisSettings {
  const target = typeof input === "string" ? input : { transport: "redis", transportOptions: input };
  const { transport, settings: found } = resolveConnection(target as ConnectionOptions, {});
  if (transport !== "redis") throw new Error(`got ${transport}`);
  return found;
}

function complaintAbout(input: string | RedisOptions): string {
  try {
    settings(input);
  } catch (error) {
    if (isKombuError(error, "invalid_argument")) return error.message;
    throw error;
  }
  return "there was no complaint";
}

describe("resolveConnection() for Redis", () => {
  it("has kombu's defaults", () => {
    expect(settings({})).toMatchObject({
      ...{ server: { host: "localhost", port: 6379 }, database: 0, tls: undefined },
      ...{ visibilityTimeoutMs: 3_600_000, leaseMs: 3_600_000, globalKeyprefix: "", sep: "\x06\x16" },
      ...{ prioritySteps: [0, 3, 6, 9], unackedKey: "unacked", unackedIndexKey: "unacked_index" },
      ...{ fanoutPrefix: "/0.", fanoutPatterns: true, deliveryCount: false, urgentFirst: "lowest" },
    });
  });

  it.each<[string, RedisOptions]>([
    ["redis://", {}],
    ["redis://host", { host: "host" }],
    ["redis://:s%2Fecret@host:7000/3", { host: "host", port: 7000, password: "s/ecret", database: 3 }],
    ["redis://user:secret@[::1]/", { host: "::1", username: "user", password: "secret" }],
    ["rediss://host", { host: "host", tls: true }],
    [
      "rediss://host?ssl_cert_reqs=CERT_NONE&ssl_check_hostname=False",
      { host: "host", tls: true, sslCertReqs: "none", sslCheckHostname: false },
    ],
    ["redis+socket:///run/redis.sock?virtual_host=2", { socketPath: "/run/redis.sock", database: 2 }],
    [
      "sentinel://a;sentinel://b:1;sentinel://:pw@c:2/4?master_name=main",
      { sentinels: ["a", "b:1", "c:2"], masterName: "main", password: "pw", database: 4 },
    ],
    ["redis://?visibility_timeout=60&leaseMs=5000", { visibilityTimeoutMs: 60_000, leaseMs: 5_000 }],
    ["redis://?fanout_prefix=False", { fanoutPrefix: false }],
    ["redis:///2?fanout_prefix=x{db}", { fanoutPrefix: "x2", database: 2 }],
    ["redis://?global_keyprefix=app:&sep=:", { globalKeyprefix: "app:", sep: ":" }],
  ])("reads %s", (url, options) => {
    expect(settings(url)).toEqual(settings(options));
    expect(settings(url).password).toBe(options.password);
  });

  it("takes kombu's names and units, and refuses one option in both spellings", () => {
    expect(settings({ visibility_timeout: 60, global_keyprefix: "a", priority_steps: [0, 5] })).toEqual(
      settings({ visibilityTimeoutMs: 60_000, globalKeyprefix: "a", prioritySteps: [0, 5] }),
    );
    expect(complaintAbout({ visibility_timeout: 60, visibilityTimeoutMs: 60_000 })).toMatch(/one option/);
  });

  it("takes what kombu's other options ask for where it holds anyway, and changes nothing for it", () => {
    const theirs: RedisOptions = {
      ...{ max_connections: 10, socket_keepalive: true, retry_on_timeout: true },
      ...{ queue_order_strategy: "round_robin", ack_emulation: true, body_encoding: "base64" },
      ...{ unacked_mutex_key: "mutex", unacked_mutex_expire: 300 },
    };
    expect(settings(theirs)).toEqual(settings({}));
    expect(settings("redis://?max_connections=10&socket_keepalive=True&ack_emulation=1")).toEqual(
      settings({}),
    );
    expect(settings({ unacked_restore_limit: 5 }).unackedRestoreLimit).toBe(5);
  });

  it.each<[string | RedisOptions, RegExp]>([
    ["redis://host/name", /database must be a whole number/],
    ["redis://host?nonsense=1", /no option nonsense/],
    ["redis+socket://?virtual_host=0", /expected redis\+socket/],
    ["sentinel://host/0", /masterName \(or master_name\) is missing/],
    ["sentinel://a;redis://b/?master_name=m", /begin the same way/],
    ["redis://host?ssl_cert_reqs=none", /sslCertReqs without tls/],
    ["rediss://host?ssl_cert_reqs=optional", /required or none/],
    [{ host: "a", socketPath: "/b" }, /give only one/],
    [{ prioritySteps: [3, 6] }, /ascending whole numbers from 0/],
    [{ leaseMs: 1 }, /leaseMs must be/],
    [{ unackedRestoreLimit: 101 }, /unackedRestoreLimit must be a whole number of messages from 1 to 100/],
    [{ max_connections: 1 }, /max_connections must be a whole number from 2 \(a connection has 2 sockets/],
    [
      { socket_keepalive: false } as object,
      /socket_keepalive must be true or left out \(TCP's keep-alive is/,
    ],
    [{ socket_keepalive_options: {} } as object, /left out \(Node cannot set TCP's intervals/],
    [{ queue_order_strategy: "sorted" } as object, /"round_robin" or left out \(queues have turns/],
    [{ ack_emulation: false } as object, /noAck of a queue or consumer takes it at once\), got false/],
    ["redis://?body_encoding=utf-8", /"base64" or left out \(bodies are written as every kombu reads/],
    [{ password: 7 } as object, /password must be a string .*something of type number/],
  ])("complains about %j", (input, complaint) => {
    expect(complaintAbout(input)).toMatch(complaint);
  });

  it("shows no password", () => {
    const found = settings("redis://user:s3cret@host/0");
    expect(inspect(found) + JSON.stringify(found)).not.toMatch(/s3cret/);
  });
});

describe("formatTransportUrl() for Redis", () => {
  const format = (url: string, includePassword = false) =>
    formatTransportUrl(resolveConnection(url, {}), { includePassword });

  it.each([
    "redis://localhost/0",
    "redis://u:p%2Fw@host:7000/3?visibility_timeout=60&leaseMs=5000&numTasks=2",
    "rediss://[::1]/0?ssl_cert_reqs=none&ssl_check_hostname=false&ssl_ca_certs=%2Fca.pem",
    "redis+socket://:pw@/run/redis.sock?virtual_host=2",
    "sentinel://a;sentinel://b:1;sentinel://:pw@c/4?master_name=main",
    "redis://h/0?global_keyprefix=a&sep=%3A&urgentFirst=highest&unacked_key=u&unacked_index_key=i&unacked_restore_limit=5&fanout_prefix=false&fanout_patterns=false",
    "redis://h/1?polling_interval=0.5&holdMsMax=5000&fanout_prefix=x&deadletter_queue=d&deliveryCount=true&socket_connect_timeout=1&socket_timeout=2&health_check_interval=3&client_name=c",
  ])("gives back %s", (url) => {
    expect(format(url, true)).toBe(url);
  });

  it("masks a password, and shows none where there is none", () => {
    expect(format("redis://u:secret@host/0")).toBe("redis://u:**@host/0");
    expect(format("redis://u@host/0")).toBe("redis://u@host/0");
  });
});
