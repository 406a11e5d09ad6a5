import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { temporaryFolder } from "@pullqueue/testing";
import { type OAuthProvider, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { describe, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../src/connection.js";
import type { AppEngineOptions } from "../../src/options.js";

/** A server that has no discovery document, believes everybody, and stores nothing. */
async function credulousServer() {
  const authorizations: string[] = [];
  const server = createServer((request, response) => {
    const isTask = request.method === "POST";
    if (isTask) authorizations.push(request.headers.authorization ?? "none");
    if (!isTask) return response.writeHead(404).end();
    return response.writeHead(200, { "content-type": "application/json" }).end('{"id": "t"}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  return { authorizations, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function connect(endpoint: string, options: AppEngineOptions): Connection {
  return new Connection({
    transport: "appengine",
    transportOptions: { projectName: "p", endpoint, ...options },
  });
}

/** A stored sign-in whose refresh token is good for one use. */
async function signIn(provider: OAuthProvider): Promise<string> {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const { refresh_token } = await provider.signIn();
  const client = { client_id: "desktop", client_secret: provider.secretOf("desktop") };
  const fields = { type: "authorized_user", ...client, refresh_token, token_uri: provider.tokenUrl };
  const path = folder.file("credentials.json");
  writeFileSync(path, JSON.stringify(fields), { mode: 0o600 });
  return path;
}

describe("the transport appengine", () => {
  test("publish() sends the token of a credentials file, under either name of the option", async () => {
    await using provider = await startOAuthProvider();
    const { endpoint, authorizations } = await credulousServer();
    const path = await signIn(provider);
    for (const options of [{ credentialsFile: path }, { credentials_file: path }]) {
      await using connection = connect(endpoint, options);
      await connection.producer().publish("m", { routingKey: "q" });
    }
    expect(authorizations).toHaveLength(2);
    for (const authorization of authorizations) {
      expect(await provider.introspect(authorization.replace("Bearer ", ""))).toMatchObject({ active: true });
    }
  });

  test("publish() sends what a token source of any other scheme gives, and close() leaves it open", async () => {
    const { endpoint, authorizations } = await credulousServer();
    const asked: object[] = [];
    let closed = 0;
    const tokenSource = {
      async getAccessToken(query: object) {
        asked.push(query);
        return "of-another-scheme";
      },
      close: async () => void closed++,
    };
    const connection = connect(endpoint, { tokenSource });
    await connection.producer().publish("m", { routingKey: "q" });
    await connection.close();
    expect(authorizations).toEqual(["Bearer of-another-scheme"]);
    expect(asked[0]).toEqual({ signal: expect.any(AbortSignal) });
    expect(closed).toBe(0);
  });

  test("publish() rejects with what is wrong with the file, and the AuthError behind it", async () => {
    const { endpoint } = await credulousServer();
    await using connection = connect(endpoint, { credentialsFile: "/nowhere.json" });
    await expect(connection.producer().publish("m", { routingKey: "q" })).rejects.toMatchObject({
      ...{ name: "KombuError", code: "unauthenticated", message: expect.stringContaining("/nowhere.json") },
      cause: { name: "QueueError", cause: { name: "AuthError", code: "not_found" } },
    });
  });

  test("close() waits for a renewal that has been asked for, because the file's refresh token is void", async () => {
    await using provider = await startOAuthProvider({ rotates: true });
    const { endpoint } = await credulousServer();
    const path = await signIn(provider);
    const before = readFileSync(path, "utf8");
    const held = provider.holdTokenAnswers();
    const connection = connect(endpoint, { credentialsFile: path });
    const abort = new AbortController();
    const publishing = connection.producer().publish("m", { routingKey: "q", signal: abort.signal });
    const aborted = expect(publishing).rejects.toBe("enough");
    await held.reached;
    abort.abort("enough");
    await aborted;
    const closing = connection.close();
    held.release();
    await closing;
    expect(readFileSync(path, "utf8")).not.toBe(before);
    await using again = connect(endpoint, { credentialsFile: path });
    await again.producer().publish("m", { routingKey: "q" });
  });
});
