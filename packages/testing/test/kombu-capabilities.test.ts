import { readFileSync } from "node:fs";
import { randomFraction, systemClock } from "@pullqueue/core";
import type { Transport } from "@pullqueue/kombu";
import { openAmqpTransport } from "@pullqueue/kombu/transports/amqp";
import { openAppEngineTransport } from "@pullqueue/kombu/transports/appengine";
import { openMemoryTransport } from "@pullqueue/kombu/transports/memory";
import { openPostgresTransport } from "@pullqueue/kombu/transports/postgres";
import { openRedisTransport, redisSettings } from "@pullqueue/kombu/transports/redis";
import { openSqliteTransport } from "@pullqueue/kombu/transports/sqlite";
import { expect, test } from "vitest";
import { temporarySchema } from "../src/postgres-schema.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";

const DOCUMENT = new URL("../../../docs/kombu.md", import.meta.url);

/** What differs between transports apart from their capabilities. */
const OTHER_FIELDS: readonly string[] = [
  "name",
  "leases",
  "messageBytesMax",
  "envelopes",
  "localExchanges",
  "localBindings",
];

const NO_CREDENTIALS = {
  ...{ credentialsFile: undefined, audience: undefined, scopes: undefined },
  ...{ accessToken: undefined, tokenSource: undefined },
};

/** The rows of the matrix in the document's first chapter, as lists of cells. */
function matrix(): readonly (readonly string[])[] {
  const [, chapter = ""] = readFileSync(DOCUMENT, "utf8").split(/^## /m);
  const rows = chapter.match(/^\|.*\|$/gm) ?? [];
  return rows
    .map((row) => row.slice(1, -1).split("|"))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter(([first = ""]) => !/^-+$/.test(first));
}

test.skipIf(isMissing("postgres"))("docs/kombu.md shows what the transports' manifests say", async () => {
  using folder = temporaryFolder();
  await using schema = temporarySchema();
  const context = { clock: systemClock(), random: randomFraction };
  const lease = {
    leaseMs: 60_000,
    pollingIntervalMs: 1_000,
    numTasks: undefined,
    holdMsMax: undefined,
    deadletterQueue: undefined,
  };
  const project = { ...lease, projectName: "p" };
  const server = { endpoint: "http://127.0.0.1:1", projectPrefix: "s~" };
  const amqp = {
    ...{ host: "127.0.0.1", port: 1, userId: "u", password: "p", virtualHost: "/", ssl: false },
    ...{ caFile: undefined, certFile: undefined, keyFile: undefined, verifyCertificate: true },
    ...{
      connectTimeoutMs: 1,
      heartbeatMs: 0,
      delayedDelivery: undefined,
      holdMsMax: undefined,
      deadletterQueue: undefined,
    },
  };
  const transports: Transport[] = [
    await openMemoryTransport({ ...project, name: "capabilities" }, context),
    await openSqliteTransport({ ...project, path: folder.file("queue.db") }, context),
    await openPostgresTransport({ ...project, url: schema.url }, context),
    await openAppEngineTransport({ ...project, ...server, ...NO_CREDENTIALS }, context),
    // Nobody listens there, which is no error: it would be tried for as long as the transport is open.
    await openRedisTransport(redisSettings({ host: "127.0.0.1", port: 1 }), context),
    await openAmqpTransport(amqp, context),
  ];
  const manifests = transports.map(({ manifest }) => manifest);
  await Promise.all(transports.map((transport) => transport.close()));
  const [head, ...rows] = matrix();
  expect(head).toEqual(["", ...manifests.map(({ name }) => name)]);
  const names = Object.keys(manifests[0]!).filter((name) => !OTHER_FIELDS.includes(name));
  expect(rows).toEqual(
    names.map((name) => [name, ...manifests.map((manifest) => Reflect.get(manifest, name))]),
  );
});
