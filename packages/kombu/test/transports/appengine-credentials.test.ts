import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type CredentialsChoice,
  credentialsSource,
  tokenSourceOf,
} from "../../src/transports/appengine-credentials.js";

const LOCAL = "http://127.0.0.1:8085";
const REMOTE = "https://queues.example.com";

/** A file with this content. */
function file(content: object): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const path = folder.file("credentials.json");
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  return path;
}

/** A source that is closed after the test. */
function sourceOf(choice: CredentialsChoice) {
  const source = credentialsSource(choice);
  if (source === undefined) throw new Error("no token can be wanted there");
  onTestFinished(() => source.close());
  return source;
}

describe("credentialsSource()", () => {
  test("credentialsSource() gives the tokens of a file, whatever the endpoint, and reads nothing before", async () => {
    for (const endpoint of [LOCAL, REMOTE]) {
      sourceOf({ endpoint, credentialsFile: "/nowhere.json" });
      const credentialsFile = file({ access_token: "a-token" });
      expect(await sourceOf({ endpoint, credentialsFile }).getAccessToken({})).toBe("a-token");
    }
  });

  test("credentialsSource() gives the token that somebody else wrote after one was rejected", async () => {
    const credentialsFile = file({ access_token: "old" });
    const source = sourceOf({ endpoint: LOCAL, credentialsFile });
    expect(await source.getAccessToken({})).toBe("old");
    writeFileSync(credentialsFile, '{"access_token": "new"}');
    expect(await source.getAccessToken({ rejected: "old" })).toBe("new");
  });

  test("credentialsSource() renews a person's sign-in with what the file says", async () => {
    await using provider = await startOAuthProvider();
    const { refresh_token } = await provider.signIn();
    const credentialsFile = file({
      ...{ type: "authorized_user", client_id: "desktop", client_secret: provider.secretOf("desktop") },
      ...{ refresh_token, token_uri: provider.tokenUrl },
    });
    const token = await sourceOf({ endpoint: LOCAL, credentialsFile }).getAccessToken({});
    expect(await provider.introspect(token ?? "")).toMatchObject({ active: true });
  });

  test.each([LOCAL, "https://localhost:8085", "https://127.0.0.1", "http://queues.example.com", "nonsense"])(
    "credentialsSource() without a file has nothing for %s",
    (endpoint) => {
      expect(credentialsSource({ endpoint })).toBeUndefined();
    },
  );

  test("credentialsSource() without a file gives nothing until a server on another machine demands it, and then at once", async () => {
    const env = { GOOGLE_APPLICATION_CREDENTIALS: file({ access_token: "a-token" }) };
    const source = sourceOf({ endpoint: REMOTE, env });
    expect(await source.getAccessToken({})).toBeUndefined();
    expect(await source.getAccessToken({ demanded: true })).toBe("a-token");
    expect(await source.getAccessToken({})).toBe("a-token");
  });

  test("credentialsSource() without a file looks at once when an audience says whom tokens are for", async () => {
    const env = { GOOGLE_APPLICATION_CREDENTIALS: "/nowhere.json" };
    const source = sourceOf({ endpoint: LOCAL, audience: REMOTE, env });
    await expect(source.getAccessToken({})).rejects.toMatchObject({
      ...{ name: "AuthError", code: "not_found", message: expect.stringMatching(/^(?!the server).*nowhere/) },
    });
  });

  test("credentialsSource() says why it looked when what nobody named cannot be had", async () => {
    const env = { GOOGLE_APPLICATION_CREDENTIALS: "/nowhere.json" };
    await expect(
      sourceOf({ endpoint: REMOTE, env }).getAccessToken({ demanded: true }),
    ).rejects.toMatchObject({
      ...{ name: "AuthError", code: "not_found" },
      message: expect.stringMatching(/^the server demands a token; .*\/nowhere\.json/),
    });
  });

  test("close() closes the credentials, is idempotent, and does nothing before the first use", async () => {
    const credentialsFile = file({ access_token: "a-token" });
    const source = sourceOf({ endpoint: LOCAL, credentialsFile });
    await source.getAccessToken({});
    await Promise.all([source.close(), source.close()]);
    await expect(source.getAccessToken({})).rejects.toMatchObject({ name: "AuthError", code: "closed" });
    const unused = sourceOf({ endpoint: LOCAL, credentialsFile });
    await unused.close();
    await expect(unused.getAccessToken({})).rejects.toMatchObject({ code: "closed" });
  });
});

describe("tokenSourceOf()", () => {
  test("tokenSourceOf() gives the token, or what the function gives", async () => {
    expect(await tokenSourceOf("t").getAccessToken({})).toBe("t");
    const asked: unknown[] = [];
    const source = tokenSourceOf(async (request) => {
      asked.push(request.rejected);
      return "f";
    });
    expect(await source.getAccessToken({ rejected: "old" })).toBe("f");
    expect(asked).toEqual(["old"]);
  });

  test("tokenSourceOf() refuses a function that gives no token", async () => {
    const source = tokenSourceOf(() => undefined as unknown as string);
    await expect(source.getAccessToken({})).rejects.toMatchObject({ code: "unauthenticated" });
  });
});
