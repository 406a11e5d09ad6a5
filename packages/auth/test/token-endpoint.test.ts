import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../src/clock.js";
import { ANSWER_BYTES_MAX, ENDPOINT_TIMEOUT_MS } from "../src/limits.js";
import { postForm, refusalOf, type TokenRequest } from "../src/token-endpoint.js";
import { awaited, recordingServer, sendJson } from "./support/recording-server.js";

const CLIENT = { clientId: "the-client", clientSecret: "the-client's secret" };

function request(tokenUri: string, changes: Partial<TokenRequest> = {}): TokenRequest {
  return {
    tokenUri,
    form: { grant_type: "refresh_token", refresh_token: "the-refresh-token" },
    clock: systemClock,
    ...changes,
  };
}

describe("postForm()", () => {
  test("postForm() sends the secret of a client in the body, and reads answers and the server's time", async () => {
    await using server = await recordingServer((_, response) => {
      response.setHeader("date", "Thu, 01 Jan 2026 00:00:00 GMT");
      sendJson(response, 400, { error: "invalid_grant" });
    });
    const answer = await postForm(request(server.origin, { client: CLIENT }));
    expect(answer).toEqual({
      status: 400,
      fields: { error: "invalid_grant" },
      serverMs: Date.parse("2026-01-01T00:00:00Z"),
    });
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatchObject({
      method: "POST",
      form: {
        grant_type: "refresh_token",
        refresh_token: "the-refresh-token",
        client_id: "the-client",
        client_secret: "the-client's secret",
      },
    });
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test("postForm() sends it once more in the header, encoded as the standard says, to a server that knows no other way", async () => {
    const clientSecret = "a+b c%/:é";
    const pair = Buffer.from("the-client:a%2Bb+c%25%2F%3A%C3%A9").toString("base64");
    await using server = await recordingServer(({ headers, form }, response) => {
      const isRight = headers.authorization === `Basic ${pair}` && form.client_secret === undefined;
      sendJson(response, isRight ? 200 : 401, isRight ? {} : { error: "invalid_client" });
    });
    const answer = await postForm(request(server.origin, { client: { ...CLIENT, clientSecret } }));
    expect(answer.status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  test("postForm() is understood by a real server that wants the secret in the header", async () => {
    await using provider = await startOAuthProvider();
    const { refresh_token = "" } = await provider.signIn({ client: "desktop-basic" });
    const { status, fields } = await postForm({
      tokenUri: provider.tokenUrl,
      form: { grant_type: "refresh_token", refresh_token },
      client: { clientId: "desktop-basic", clientSecret: provider.secretOf("desktop-basic") },
      clock: systemClock,
    });
    expect(status).toBe(200);
    expect(await provider.introspect(String(fields.access_token))).toMatchObject({ active: true });
  });

  test("postForm() reads nothing of a success whose status says it all, and wants fields otherwise", async () => {
    await using server = await recordingServer((_, response) => void response.end("OK"));
    const revocation = { ...request(server.origin), answer: "status" } as const;
    expect(await postForm(revocation)).toMatchObject({ status: 200, fields: {} });
    await expect(postForm(request(server.origin))).rejects.toMatchObject({ code: "unavailable" });
  });

  test("postForm() follows no redirect: it would carry the secrets on", async () => {
    await using target = await recordingServer((_, response) => sendJson(response, 200, {}));
    await using server = await recordingServer((_, response) => {
      response.writeHead(307, { location: target.origin }).end();
    });
    await expect(postForm(request(server.origin))).rejects.toMatchObject({ code: "unavailable" });
    expect(target.requests).toEqual([]);
  });

  test.each([
    ["a page", "<html>proxy error</html>", "no JSON object"],
    ["a list", "[]", "no JSON object"],
    ["null", "null", "no JSON object"],
    ["nothing, and no success", "", "no JSON object"],
    ["half an object", '{"access_token": "ya29.secret', "no JSON object"],
    ["more than is read", `{"a": "${"x".repeat(ANSWER_BYTES_MAX)}"}`, "more than"],
  ])("postForm() rejects with `unavailable` for %s", async (_, text, words) => {
    await using server = await recordingServer(
      (_request, response) => void response.writeHead(502).end(text),
    );
    const failure = await postForm(request(server.origin)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: "AuthError", code: "unavailable" });
    expect(String(failure)).toContain(words);
    expect(String(failure)).toContain(server.origin);
    expect(String(failure)).not.toMatch(/secret|proxy/);
  });

  test("postForm() rejects with `unavailable` where nobody listens, and says why", async () => {
    const server = await recordingServer(() => {});
    await server[Symbol.asyncDispose]();
    await expect(postForm(request(server.origin))).rejects.toMatchObject({
      code: "unavailable",
      message: `${server.origin} cannot be reached: ECONNREFUSED`,
    });
  });

  test.each(["before the headers", "within the body"])(
    "postForm() rejects with `timeout` when a server falls silent %s",
    async (where) => {
      const timers: (() => void)[] = [];
      const clock: Clock = {
        nowUs: () => systemClock.nowUs(),
        timer: (delayMs, callback) => {
          if (delayMs === ENDPOINT_TIMEOUT_MS) timers.push(callback);
          return () => {};
        },
      };
      const { reach, reached } = awaited();
      await using server = await recordingServer((_, response) => {
        if (where === "within the body") response.write('{"access_token"');
        reach();
      });
      const answer = postForm(request(server.origin, { clock }));
      await reached;
      for (const late of timers) late();
      await expect(answer).rejects.toMatchObject({
        code: "timeout",
        message: expect.stringContaining("20 s"),
      });
    },
  );

  test("postForm() rejects with the signal's reason, before and during, and listens to it no longer", async () => {
    const { reach, reached } = awaited();
    await using server = await recordingServer(() => reach());
    const gone = AbortSignal.abort(new Error("before"));
    await expect(postForm(request(server.origin, { signal: gone }))).rejects.toThrow("before");
    expect(server.requests).toEqual([]);
    const leaving = new AbortController();
    const answer = postForm(request(server.origin, { signal: leaving.signal }));
    await reached;
    leaving.abort(new Error("during"));
    await expect(answer).rejects.toThrow("during");
  });

  test.each([
    "http://auth.example.com/token",
    "http://127.0.0.1.example.com/token",
    "http://10.0.0.1/token",
    "http://x.localhost/token",
  ])("postForm() sends nothing in the clear to %s", async (address) => {
    await expect(postForm(request(address))).rejects.toMatchObject({
      code: "not_permitted",
      message: expect.stringContaining(new URL(address).origin),
    });
  });

  test.each(["", "token", "ftp://example.com/token", "file:///etc/passwd"])(
    "postForm() refuses the address %j",
    async (address) => {
      await expect(postForm(request(address))).rejects.toMatchObject({ code: "invalid_file" });
    },
  );
});

test("postForm() refuses an address with a password, and does not show it", async () => {
  const refused = postForm(request("https://user:the-password@example.com/token"));
  await expect(refused).rejects.toMatchObject({
    code: "invalid_file",
    message: expect.not.stringContaining("the-password"),
  });
});

describe("refusalOf()", () => {
  test("refusalOf() repeats no secret that a server sends back, nothing long, and nothing that moves a cursor", () => {
    const sent = request("https://example.com", { client: CLIENT });
    const description = `bad\u001b[2J token the-refresh-token of\nthe-client's secret ${"x".repeat(1000)}`;
    const refusal = refusalOf(
      {
        status: 400,
        fields: { error: "invalid_grant", error_description: description },
        serverMs: undefined,
      },
      sent,
    );
    expect(refusal?.error).toBe("invalid_grant");
    expect(refusal?.words).toMatch(/^invalid_grant: bad \[2J token … of … x+$/);
    expect(refusal?.words.length).toBeLessThanOrEqual("invalid_grant: ".length + 200);
  });

  test.each([
    ["percent-encoded", (secret: string) => `the body was a=1&token=${encodeURIComponent(secret)}&b=2`],
    ["in a form", (secret: string) => `the body was ${new URLSearchParams({ token: secret }).toString()}`],
    ["in base64", (secret: string) => `Basic ${Buffer.from(`the-client:${secret}`).toString("base64")}`],
    ["with slashes escaped", (secret: string) => `no ${secret.replaceAll("/", "\\/")}`],
    ["in capitals", (secret: string) => `no ${secret.toUpperCase()}`],
    ["broken in two", (secret: string) => `no ${secret.slice(0, 12)}\n${secret.slice(12)}`],
    ["cut off", (secret: string) => `no ${secret.slice(0, 28)}...`],
    ["in the code", (secret: string) => secret],
  ])("refusalOf() repeats no secret that a server sends back %s", (_, spelled) => {
    const secret = "1//0eXAmple-refresh+token/of_Google=42";
    const form = { grant_type: "refresh_token", refresh_token: secret };
    const sent = request("https://example.com", { client: CLIENT, form });
    const fields = { error: spelled(secret), error_description: spelled(secret) };
    const refusal = refusalOf({ status: 400, fields, serverMs: undefined }, sent);
    const squeezed = JSON.stringify(refusal)
      .replace(/[^a-z0-9]/gi, "")
      .toLowerCase();
    expect(squeezed).not.toContain("example");
    expect(squeezed).not.toContain(
      Buffer.from(`the-client:${secret}`).toString("base64").slice(0, 20).toLowerCase(),
    );
  });

  test("refusalOf() leaves words that are no secrets, also those of what was asked", () => {
    const sent = request("https://example.com", { client: CLIENT });
    const fields = {
      error: "insufficient_user_authentication",
      error_description: "Bad refresh_token: sign in again, see https://example.com/help",
    };
    const refusal = refusalOf({ status: 400, fields, serverMs: undefined }, sent);
    expect(refusal?.words).toBe(`${fields.error}: ${fields.error_description}`);
  });

  test("refusalOf() finds an error in an answer of success, and says the status where no error is named", () => {
    const answer = (status: number, fields: object) => ({
      status,
      fields: { ...fields },
      serverMs: undefined,
    });
    const sent = request("https://example.com");
    expect(refusalOf(answer(200, { error: "access_denied" }), sent)?.error).toBe("access_denied");
    expect(refusalOf(answer(503, {}), sent)).toMatchObject({ error: "status 503", words: "status 503" });
    expect(refusalOf(answer(200, { access_token: "x" }), sent)).toBeUndefined();
  });

  test.each([
    [503, {}, true],
    [500, { error: "invalid_grant" }, true],
    [429, { error: "slow_down" }, true],
    [400, { error: "temporarily_unavailable" }, true],
    [400, { error: "server_error" }, true],
    [400, { error: "internal_failure" }, true],
    [400, { error: "invalid_grant" }, false],
    [401, {}, false],
  ])("refusalOf() takes status %i with %j for passing: %s", (status, fields, isPassing) => {
    const sent: TokenRequest = { tokenUri: "https://auth.example", form: {}, clock: systemClock };
    expect(refusalOf({ status, fields, serverMs: undefined }, sent)?.isPassing).toBe(isPassing);
  });
});
