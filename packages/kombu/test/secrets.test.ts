import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { Connection } from "../src/connection.js";
import { Exchange } from "../src/exchange.js";
import type { AppEngineOptions } from "../src/options.js";
import { Queue } from "../src/queue.js";

const SECRET = "very-secret";

/** A server that believes nobody, and repeats what it was sent where an authorization server would. It remembers what proved who called. */
async function distrustfulServer() {
  const proofs: string[] = [];
  const server = createServer(async (request, response) => {
    const body = decodeURIComponent(Buffer.concat(await request.toArray()).toString());
    proofs.push(request.headers.authorization ?? body);
    if (request.url === "/token") {
      response.writeHead(400).end(JSON.stringify({ error: "invalid_grant", error_description: body }));
    } else response.writeHead(request.url?.startsWith("/discovery") === true ? 404 : 401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  return { proofs, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function file(content: object): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const path = folder.file("credentials.json");
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  return path;
}

/** A person's sign-in whose every part is secret, and whose provider is away. */
function signIn(tokenUri: string): object {
  return {
    ...{ type: "authorized_user", client_id: "id", client_secret: `${SECRET}-1` },
    ...{ refresh_token: `${SECRET}-2`, token_uri: tokenUri },
  };
}

/** All that an object says of itself to those who do not ask for secrets. */
function shown(value: unknown): string {
  const views = [true, false].map((showHidden) => inspect(value, { depth: 12, showHidden, getters: false }));
  return [...views, String(value), json(value)].join("\n");
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch (error) {
    // A circle: then there is no JSON to show anything.
    return String(error);
  }
}

/** How a connection comes by its tokens, and whether any secret leaves this process. */
const WAYS: readonly (readonly [
  way: string,
  isSent: boolean,
  options: (endpoint: string) => AppEngineOptions,
])[] = [
  ["accessToken", true, () => ({ accessToken: SECRET })],
  ["an accessToken function", true, () => ({ accessToken: () => SECRET })],
  ["tokenSource", true, () => ({ tokenSource: { getAccessToken: async () => SECRET } })],
  ["a file with a token", true, () => ({ credentialsFile: file({ access_token: SECRET }) })],
  ["a file with a sign-in", true, (endpoint) => ({ credentialsFile: file(signIn(`${endpoint}/token`)) })],
  [
    "a file that is none",
    false,
    () => ({ credentialsFile: file({ client_secret: SECRET, private_key: SECRET, type: SECRET }) }),
  ],
];

describe("the objects of a connection with credentials", () => {
  test.each(WAYS)(
    "inspect, String and JSON.stringify show nothing of %s, nor does any error",
    async (_, isSent, options) => {
      const { endpoint, proofs } = await distrustfulServer();
      await using connection = new Connection({
        transport: "appengine",
        transportOptions: { projectName: "p", endpoint, ...options(endpoint) },
      });
      const channel = await connection.channel();
      const queue = new Queue("q", { exchange: new Exchange("e"), routingKey: "k" });
      const producer = connection.producer();
      const consumer = connection.consumer(queue);
      const simple = connection.simpleQueue("s");
      const errors = await Promise.all(
        [producer.publish("m", { routingKey: "q" }), simple.getNowait(), consumer.run(() => {})].map((call) =>
          call.then(
            () => "no error",
            (error: unknown) => error,
          ),
        ),
      );
      for (const error of errors)
        expect(error).toMatchObject({ name: "KombuError", code: "unauthenticated" });
      for (const object of [connection, channel, producer, consumer, simple, queue, ...errors]) {
        expect(shown(object)).not.toContain(SECRET);
      }
      expect(connection.asUri()).not.toContain(SECRET);
      // It was there to be shown.
      expect(proofs.some((proof) => proof.includes(SECRET))).toBe(isSent);
    },
  );
});
