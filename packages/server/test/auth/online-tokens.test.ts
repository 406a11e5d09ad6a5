import { isQueueError, manualClock, QueueError, systemClock } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { type Claims, principalOf } from "../../src/auth/claims.js";
import { introspection } from "../../src/auth/introspection.js";
import { OnlineTokens } from "../../src/auth/online-tokens.js";
import { tokeninfo } from "../../src/auth/tokeninfo.js";
import {
  AUTH_ANSWER_BYTES_MAX,
  ONLINE_CACHE_MS,
  ONLINE_CACHE_TOKENS_MAX,
  ONLINE_QUESTIONS_MAX,
  ONLINE_REFUSALS_MS,
} from "../../src/limits.js";
import { startAnsweringServer } from "./answering-server.js";
import { startOauthServer } from "./oauth-server.js";
import { SCOPES } from "./support.js";

const NAMES = { email: "email", scope: undefined, role: "role", projects: "projects" };
const read = (claims: Claims) => principalOf(claims, { names: NAMES, scopes: [], admins: [] });

const CLIENT = { id: "server", secret: "s3cret" };

const ACTIVE = { active: true, email: "a@example.com", scope: SCOPES.full };

async function openIntrospected(json: unknown = ACTIVE, audiences: readonly string[] = []) {
  const clock = manualClock();
  const answer = { status: 200, json };
  const server = await startAnsweringServer(answer);
  const ask = introspection({ url: server.url, client: CLIENT, audiences, clock, principalOf: read });
  const verifier = new OnlineTokens({ name: "tokens", accepts: () => true, ask, clock });
  return { clock, answer, ...server, verify: (token: string) => verifier.verify(token) };
}

/** The code and the words of a refusal. */
async function refusalOf(verified: Promise<unknown>): Promise<string> {
  const error = await verified.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isQueueError(error) ? `${error.code}: ${error.message}` : "none";
}

describe("introspection()", () => {
  test("introspection() learns from a real authorization server whose a token is, and that it was revoked", async () => {
    const oauth = await startOauthServer(SCOPES.full);
    const ask = introspection({
      url: oauth.introspectionUrl,
      client: oauth.clientOf("server"),
      audiences: [],
      clock: systemClock(),
      principalOf: read,
    });
    const token = await oauth.token();
    const { principal, expiresAtUs } = await ask(token);
    expect(principal).toEqual({
      email: "worker@example.com",
      role: "admin",
      projects: ["p"],
      scopes: [SCOPES.full],
    });
    expect(expiresAtUs).toBeGreaterThan(systemClock().nowUs());
    await oauth.revoke(token);
    expect(await refusalOf(ask(token))).toMatch(/^unauthenticated: Invalid Credentials/);
    expect(await refusalOf(ask("unknown"))).toMatch(/^unauthenticated/);
  });

  test("introspection() answers 503, not 401, when this server's own credentials are refused", async () => {
    const oauth = await startOauthServer(SCOPES.full);
    const client = { id: "server", secret: "wrong" };
    const ask = introspection({
      url: oauth.introspectionUrl,
      client,
      audiences: [],
      clock: systemClock(),
      principalOf: read,
    });
    expect(await refusalOf(ask(await oauth.token()))).toMatch(/^unavailable/);
  });

  test("introspection() wants the audience, when one is configured, and a token that has not ended", async () => {
    for (const [aud, message] of [
      ["us", "none"],
      [["x", "us"], "none"],
      ["x", "another audience"],
      [undefined, "another audience"],
    ] as const) {
      const { verify } = await openIntrospected({ ...ACTIVE, aud }, ["us"]);
      expect(await refusalOf(verify("t"))).toContain(message);
    }
    const { verify } = await openIntrospected({ ...ACTIVE, exp: 1 });
    expect(await refusalOf(verify("t"))).toContain("has expired");
  });

  test.each([
    ["a server that is away", undefined],
    ["an error", { status: 500, json: {} }],
    ["a list", { status: 200, json: [] }],
    ["text", { status: 200, json: "<html>" }],
    ["too much", { status: 200, json: { filler: "x".repeat(AUTH_ANSWER_BYTES_MAX) } }],
  ])("introspection() answers 503 for %s, without naming anything, and asks again", async (_, said) => {
    const { verify, answer, close, asked } = await openIntrospected();
    const good = { ...answer };
    if (said === undefined) await close();
    else Object.assign(answer, said);
    const refusal = await refusalOf(verify("t0ken"));
    expect(refusal).toMatch(/^unavailable: .*try again later$/);
    expect(refusal).not.toMatch(/127|t0ken|s3cret/);
    if (said === undefined) return;
    Object.assign(answer, good);
    expect(await refusalOf(verify("t0ken"))).toBe("none");
    expect(asked[0]).toMatchObject({
      body: "token=t0ken&token_type_hint=access_token",
      headers: { authorization: `Basic ${Buffer.from("server:s3cret").toString("base64")}` },
    });
  });
});

describe("OnlineTokens", () => {
  test("OnlineTokens asks once for a token, again after its time, and not past the token's end", async () => {
    const { verify, asked, clock, answer } = await openIntrospected();
    await Promise.all([verify("a"), verify("a")]);
    await verify("a");
    expect(asked).toHaveLength(1);
    clock.advance(ONLINE_CACHE_MS);
    answer.json = { ...ACTIVE, exp: clock.nowUs() / 1_000_000 + 5 };
    await verify("a");
    expect(asked).toHaveLength(2);
    clock.advance(5_000);
    answer.json = { active: false };
    expect(await refusalOf(verify("a"))).toMatch(/^unauthenticated/);
    expect(asked).toHaveLength(3);
  });

  test("OnlineTokens remembers a refusal for a short time", async () => {
    const { verify, asked, clock, answer } = await openIntrospected({ active: false });
    for (let n = 0; n < 3; n++) expect(await refusalOf(verify("a"))).toMatch(/^unauthenticated/);
    expect(asked).toHaveLength(1);
    answer.json = ACTIVE;
    clock.advance(ONLINE_REFUSALS_MS);
    expect(await refusalOf(verify("a"))).toBe("none");
  });

  test("OnlineTokens keeps so many tokens and no more, and made-up ones push no good one out", async () => {
    const asked = new Map<string, number>();
    const verifier = new OnlineTokens({
      name: "tokens",
      accepts: () => true,
      async ask(token) {
        asked.set(token, (asked.get(token) ?? 0) + 1);
        if (token.startsWith("made-up")) throw new QueueError("unauthenticated", "not known");
        return { principal: read({ email: "a@b" }), expiresAtUs: undefined };
      },
      clock: manualClock(),
    });
    for (let n = 0; n < ONLINE_CACHE_TOKENS_MAX; n++) await verifier.verify(`good-${n}`);
    for (let n = 0; n <= ONLINE_CACHE_TOKENS_MAX; n++) await refusalOf(verifier.verify(`made-up-${n}`));
    await verifier.verify("good-0");
    await refusalOf(verifier.verify("made-up-0"));
    await verifier.verify("one-more");
    await verifier.verify("good-0");
    const timesAsked = ["good-0", "good-1", "made-up-0"].map((token) => asked.get(token));
    expect(timesAsked).toEqual([2, 1, 2]);
  });

  test("OnlineTokens asks about so many tokens at once and no more", async () => {
    const answers: (() => void)[] = [];
    const verifier = new OnlineTokens({
      name: "tokens",
      accepts: () => true,
      ask: () =>
        new Promise((resolve) => {
          answers.push(() => resolve({ principal: read({ email: "a@b" }), expiresAtUs: undefined }));
        }),
      clock: manualClock(),
    });
    const asking = Array.from({ length: ONLINE_QUESTIONS_MAX }, (_, n) => verifier.verify(`t${n}`));
    expect(await refusalOf(verifier.verify("one more"))).toMatch(/^unavailable/);
    for (const answer of answers) answer();
    await Promise.all(asking);
    const again = verifier.verify("one more");
    answers.at(-1)?.();
    await again;
  });
});

describe("tokeninfo()", () => {
  const TOKEN = {
    azp: "client",
    aud: "client",
    email: "a@example.com",
    email_verified: "true",
    scope: `openid ${SCOPES.full}`,
  };

  async function ask(json: object, status = 200) {
    const clock = manualClock();
    const { url, asked } = await startAnsweringServer({ status, json });
    const verdict = tokeninfo({ url, audiences: ["client"], clock, principalOf: read })("ya29.t0ken");
    return { refusal: await refusalOf(verdict), verdict, asked };
  }

  test("tokeninfo() reads address and scopes of a token, which it sends in the body", async () => {
    const { verdict, asked } = await ask(TOKEN);
    expect((await verdict).principal).toEqual({
      email: "a@example.com",
      scopes: ["openid", SCOPES.full],
      role: "user",
      projects: "all",
    });
    expect(asked[0]?.body).toBe("access_token=ya29.t0ken");
  });

  test.each([
    [{ ...TOKEN, azp: "other", aud: "other" }, 200, /^unauthenticated: .*another audience/],
    [{ ...TOKEN, email_verified: "false" }, 200, /^unauthenticated: .*verified/],
    [{ ...TOKEN, email_verified: undefined }, 200, /^unauthenticated: .*verified/],
    [{ ...TOKEN, exp: "1" }, 200, /^unauthenticated: .*expired/],
    [{ error: "invalid_token" }, 400, /^unauthenticated: .*Google does not know it/],
    [{ error: "internal" }, 500, /^unavailable/],
    [{ error: "rate" }, 429, /^unavailable/],
  ])("tokeninfo() reads %j of status %i", async (json, status, refusal) => {
    expect((await ask(json, status)).refusal).toMatch(refusal);
  });
});
