import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Connection, type Message, Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { type OAuthProvider, startOAuthProvider } from "../src/oauth-provider.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { type TemporaryFolder, temporaryFolder } from "../src/temp.js";
import { pullqueue, signedIn } from "./support/signing-in.js";

/** From consent to a consumed message and to the end of the sign-in: a provider, a server that trusts it, programs with the credentials file. */

const QUEUE_YAML = `
queue:
- name: jobs
  mode: pull
  acl:
  - user_email: me@example.com
  - writer_email: me@example.com
`;

/** Whom JWTs are for. */
const AUDIENCE = "https://queues.example.com";

/** How long an access token is good, in seconds: several are used up in a test, by every process in it. */
const TOKEN_SECS = 4;

/** Messages of a consumer follow each other by so much, in milliseconds, so that they spread over the lives of several tokens. */
const PAUSE_MS = 200;

/** Renewals that a test waits for. */
const RENEWALS = 3;

/** Processes that share the file at the same time. */
const PROCESSES = 2;

/** How long a token may still be taken that has ended, in milliseconds: its life, and some patience. */
const END_MS = 30_000;

/** How long a test may take, in milliseconds: a dozen processes, and tokens that have to end. */
const TEST_MS = 180_000;

/** A server that trusts the provider in one of two ways. */
function startTrusting(folder: TemporaryFolder, provider: OAuthProvider, mode: "introspection" | "jwt") {
  writeFileSync(folder.file("queue.yaml"), QUEUE_YAML);
  const queues = ["--queues", folder.file("queue.yaml"), "--project", "shop"];
  if (mode === "introspection") {
    return startServerProcess({
      parameters: ["--auth", mode, "--introspection-url", provider.introspectionUrl, ...queues],
      environment: {
        PULLQUEUE_INTROSPECTION_CLIENT_ID: "server",
        PULLQUEUE_INTROSPECTION_CLIENT_SECRET: provider.secretOf("server") ?? "",
      },
    });
  }
  const issuer = ["--jwt-issuer", provider.issuer, "--jwt-audience", AUDIENCE];
  return startServerProcess({
    parameters: ["--auth", mode, ...issuer, "--jwt-jwks-url", provider.jwksUrl, ...queues],
  });
}

function connect(server: ServerProcess, credentialsFile: string): Connection {
  return new Connection({
    transport: "appengine",
    transportOptions: { endpoint: server.url, projectName: "shop", credentialsFile },
  });
}

/** Publishes a message for each one that was consumed, for as long as it is told to. Resolves with how many messages there were. */
async function pingPong(connection: Connection, goesOn: () => boolean): Promise<number> {
  const producer = connection.producer({ routingKey: "jobs" });
  const stop = new AbortController();
  let count = 0;
  await producer.publish({ count });
  await connection.consumer(new Queue("jobs")).run(
    async (message: Message) => {
      expect(message.payload).toEqual({ count });
      count++;
      if (goesOn()) await producer.publish({ count }, { delayMs: PAUSE_MS });
      else stop.abort();
    },
    { signal: stop.signal },
  );
  return count;
}

function renewalsOf({ tokenRequests }: OAuthProvider): number {
  return tokenRequests.filter(({ grantType }) => grantType === "refresh_token").length;
}

describe("a sign-in", { timeout: TEST_MS }, () => {
  test.each(["introspection", "jwt"] as const)(
    "a sign-in lets a consumer and several commands work on across the ends of tokens, with a server that uses %s",
    async (mode) => {
      using folder = temporaryFolder();
      await using provider = await startOAuthProvider({
        accessTokenSecs: TOKEN_SECS,
        // Whoever lost a race for the refresh token would end the sign-in for all.
        rotates: true,
        ...(mode === "jwt" ? { jwtAudience: AUDIENCE } : {}),
      });
      const credentials = await signedIn(folder, provider);
      await using server = await startTrusting(folder, provider, mode);
      const given = ["--endpoint", server.url, "--project", "shop", "--credentials", credentials];
      const say = (text: string) => pullqueue(folder, ["put", "jobs", text, ...given]);
      for (const text of ["hello", "hello again"]) expect(await say(text)).toMatchObject({ code: 0 });
      for (const stdout of ["hello\n", "hello again\n"]) {
        expect(await pullqueue(folder, ["get", "jobs", ...given])).toMatchObject({ code: 0, stdout });
      }
      await using connection = connect(server, credentials);
      const before = renewalsOf(provider);
      const goesOn = () => renewalsOf(provider) < before + RENEWALS;
      const looking = async (): Promise<void> => {
        while (goesOn()) {
          expect(await pullqueue(folder, ["stats", "jobs", ...given])).toMatchObject({ code: 0 });
        }
      };
      const [count] = await Promise.all([
        pingPong(connection, goesOn),
        ...Array.from({ length: PROCESSES }, looking),
      ]);
      expect(count).toBeGreaterThan(RENEWALS);
      expect(provider.tokenRequests.filter(({ status }) => status !== 200)).toEqual([]);
      const { refresh_token, access_token } = JSON.parse(readFileSync(credentials, "utf8"));
      for (const secret of [refresh_token, access_token]) expect(server.stderr()).not.toContain(secret);
    },
  );

  test("a sign-in that was ended by auth logout is refused, with the command that mends it", async () => {
    using folder = temporaryFolder();
    await using provider = await startOAuthProvider({ accessTokenSecs: TOKEN_SECS });
    const credentials = await signedIn(folder, provider);
    const copy = folder.file("copy.json");
    writeFileSync(copy, readFileSync(credentials), { mode: 0o600 });
    await using server = await startTrusting(folder, provider, "introspection");
    await using connection = connect(server, copy);
    await connection.producer({ routingKey: "jobs" }).publish("before");
    const { refresh_token, access_token } = JSON.parse(readFileSync(credentials, "utf8"));
    expect(await pullqueue(folder, ["auth", "logout", credentials])).toMatchObject({ code: 0 });
    expect(existsSync(credentials)).toBe(false);
    expect(await provider.introspect(access_token)).toEqual({ active: false });
    const given = ["--endpoint", server.url, "--project", "shop", "--credentials"];
    const gone = await pullqueue(folder, ["put", "jobs", "x", ...given, credentials]);
    expect(gone).toMatchObject({ code: 2, stderr: expect.stringContaining("pullqueue auth login") });
    expect(gone.stderr).toContain(credentials);
    // A copy of the file has the refresh token still, and the provider does not take it.
    const refused = await pullqueue(folder, ["auth", "refresh", copy]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("pullqueue auth login") });
    expect(refused.stderr).toContain(copy);
    // So does a program that runs since before, when its token has ended.
    let ended: unknown;
    const publish = () =>
      connection
        .producer({ routingKey: "jobs" })
        .publish("after")
        .catch((error: unknown) => {
          ended = error;
        });
    const publishAndSee = async () => {
      await publish();
      return ended;
    };
    await expect.poll(publishAndSee, { timeout: END_MS }).toMatchObject({ code: "unauthenticated" });
    expect(String(ended)).toContain("pullqueue auth login");
    for (const text of [refused.stderr, gone.stderr, String(ended)]) {
      expect(text).not.toContain(refresh_token);
      expect(text).not.toContain(access_token);
    }
  });
});
