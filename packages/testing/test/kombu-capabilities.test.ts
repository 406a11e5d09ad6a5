import { readFileSync } from "node:fs";
import { randomFraction, systemClock } from "@pullqueue/core";
import { Connection } from "@pullqueue/kombu";
import { openAmqpTransport } from "@pullqueue/kombu/transports/amqp";
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
  "urgentPriority",
];

/** Nobody listens there either, and it is not asked. */
const AMQP = {
  ...{ host: "127.0.0.1", port: 1, userId: "u", password: "p", virtualHost: "/", ssl: false },
  ...{ caFile: undefined, certFile: undefined, keyFile: undefined, verifyCertificate: true },
  ...{ connectTimeoutMs: 1, heartbeatMs: 0, delayedDelivery: undefined, holdMsMax: undefined },
  deadletterQueue: undefined,
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
  const connections = [
    "memory://capabilities",
    `sqlite://${folder.file("queue.db")}`,
    schema.url,
    // Nobody listens there, which is no error of theirs: each call looks for itself, or is tried for as long as the connection is open.
    "appengine://127.0.0.1:1/p",
    "redis://127.0.0.1:1",
  ].map((url) => new Connection(url));
  const manifests = await Promise.all(connections.map((connection) => connection.manifest()));
  await Promise.all(connections.map((connection) => connection.close()));
  const amqp = await openAmqpTransport(AMQP, { clock: systemClock(), random: randomFraction });
  manifests.push(amqp.manifest);
  await amqp.close();
  const [head, ...rows] = matrix();
  expect(head).toEqual(["", ...manifests.map(({ name }) => name)]);
  const names = Object.keys(manifests[0]!).filter((name) => !OTHER_FIELDS.includes(name));
  expect(rows).toEqual(
    names.map((name) => [name, ...manifests.map((manifest) => Reflect.get(manifest, name))]),
  );
});
