import { generateKeyPairSync } from "node:crypto";
import { type ManualClock, manualClock } from "@pullqueue/core";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { type Claims, principalOf } from "../../src/auth/claims.js";
import { JwtVerifier } from "../../src/auth/jwt.js";
import { RemoteKeySet } from "../../src/auth/key-set.js";
import { googleVerifier } from "../../src/auth/open-authentication.js";
import { shapeOf } from "../../src/auth/token-shape.js";
import { KEYS_AGE_MS, KEYS_COOL_DOWN_MS, KEYS_STALE_MS, VERIFIED_CACHE_MS } from "../../src/limits.js";
import { startAnsweringServer } from "./answering-server.js";
import { SCOPES } from "./support.js";

const NAMES = { email: "email", scope: undefined, role: "role", projects: "projects" };
const RULES = { names: NAMES, scopes: [], admins: ["boss@Example.com"] };
const ISSUER = "https://issuer.example.com";

type Key = Awaited<ReturnType<typeof generateKeyPair>>;
let keys: Readonly<Record<"one" | "two", Key>>;

beforeAll(async () => {
  keys = { one: await generateKeyPair("RS256"), two: await generateKeyPair("RS256") };
});

async function jwks(...names: ("one" | "two")[]) {
  return {
    keys: await Promise.all(
      names.map(async (kid) => ({ ...(await exportJWK(keys[kid].publicKey)), kid, alg: "RS256" })),
    ),
  };
}

function sign(clock: ManualClock, claims: JWTPayload = {}, kid: "one" | "two" = "one"): Promise<string> {
  const now = Math.floor(clock.nowUs() / 1_000_000);
  return new SignJWT({ iss: ISSUER, aud: "us", email: "a@example.com", exp: now + 60, iat: now, ...claims })
    .setProtectedHeader({ alg: "RS256", kid })
    .sign(keys[kid].privateKey);
}

async function openVerifier() {
  const clock = manualClock();
  const answer = { status: 200, json: (await jwks("one")) as unknown };
  const server = await startAnsweringServer(answer);
  const verifier = new JwtVerifier({
    name: "JWTs",
    rules: { issuers: [ISSUER], audiences: ["us", "them"], algorithms: ["RS256"], clockToleranceMs: 30_000 },
    keys: new RemoteKeySet(server.url, clock),
    clock,
    principalOf: (claims) => principalOf(claims, RULES),
  });
  return { clock, answer, ...server, verifier };
}

describe("JwtVerifier", () => {
  test("JwtVerifier reads the caller from the claims, and asks for keys once", async () => {
    const { verifier, clock, asked } = await openVerifier();
    const token = await sign(clock, { scope: `openid ${SCOPES.consumer}`, role: "admin", projects: "p s~q" });
    expect(verifier.accepts(shapeOf(token))).toBe(true);
    const expected = {
      email: "a@example.com",
      scopes: ["openid", SCOPES.consumer],
      role: "admin",
      projects: ["p", "q"],
    };
    expect(await verifier.verify(token)).toEqual(expected);
    expect(await verifier.verify(token)).toEqual(expected);
    expect(asked).toHaveLength(1);
    expect(verifier.accepts(shapeOf(await sign(clock, { iss: "https://other.example.com" })))).toBe(false);
  });

  test.each([
    [{ exp: 1 }, /has expired/],
    [{ exp: undefined }, /claim "exp"/],
    [{ aud: "others" }, /another audience; it must be for us or them/],
    [{ iss: "https://other.example.com" }, /claim "iss"/],
    [{ nbf: 9_999_999_999 }, /claim "nbf"/],
    [{ email: undefined }, /no e-mail address in its claim "email"/],
    [{ email: "nobody" }, /no e-mail address/],
    [{ email_verified: false }, /not been verified/],
    [{ scope: 1 }, /scopes are neither/],
    [{ projects: { p: 1 } }, /projects are neither/],
    [{ projects: ["no project"] }, /cannot be one/],
  ] as const)("JwtVerifier refuses the claims %j, and says why", async (claims, message) => {
    const { verifier, clock } = await openVerifier();
    await expect(verifier.verify(await sign(clock, claims as unknown as JWTPayload))).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringMatching(message),
    });
  });

  test("JwtVerifier lets clocks differ by the tolerance and no more", async () => {
    const { verifier, clock } = await openVerifier();
    const token = await sign(clock);
    clock.advance(60_000 + 29_000);
    await verifier.verify(token);
    clock.advance(2_000);
    await expect(verifier.verify(token)).rejects.toThrow(/has expired/);
  });

  test("JwtVerifier refuses signatures that do not fit, none at all, and shared secrets", async () => {
    const { verifier, clock } = await openVerifier();
    const token = await sign(clock);
    const [header, payload, signature = ""] = token.split(".");
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const hmac = await new SignJWT({ iss: ISSUER, aud: "us", exp: 9_999_999_999, email: "a@example.com" })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .sign(new TextEncoder().encode(JSON.stringify(await jwks("one"))));
    for (const forged of [
      `${header}.${encoded({ iss: ISSUER, aud: "us", exp: 9_999_999_999, email: "boss@example.com" })}.${signature}`,
      `${encoded({ alg: "none" })}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -8)}AAAAAAAA`,
      hmac,
      `${header}.${payload}.`,
    ]) {
      await expect(verifier.verify(forged)).rejects.toMatchObject({ code: "unauthenticated" });
    }
  });

  test("JwtVerifier verifies a token once a minute, and not past its end", async () => {
    const { verifier, clock, answer } = await openVerifier();
    const now = Math.floor(clock.nowUs() / 1_000_000);
    const [short, long] = [await sign(clock), await sign(clock, { exp: now + 3_600 })];
    for (const token of [short, long]) await verifier.verify(token);
    clock.advance(VERIFIED_CACHE_MS - 1);
    answer.json = await jwks("two");
    await verifier.verify(long);
    clock.advance(31_000);
    await expect(verifier.verify(short)).rejects.toThrow(/has expired/);
    clock.advance(KEYS_AGE_MS);
    await expect(verifier.verify(long)).rejects.toThrow(/no key that its issuer has/);
  });

  test("JwtVerifier takes the configured algorithms alone, whatever its keys could do", async () => {
    const { verifier, answer } = await openVerifier();
    const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
    answer.json = { keys: [{ ...pair.publicKey.export({ format: "jwk" }), kid: "any" }] };
    const signBy = (alg: string) =>
      new SignJWT({ iss: ISSUER, aud: "us", exp: 9_999_999_999, email: "a@example.com" })
        .setProtectedHeader({ alg, kid: "any" })
        .sign(pair.privateKey);
    await verifier.verify(await signBy("RS256"));
    await expect(verifier.verify(await signBy("RS512"))).rejects.toThrow(/algorithm that is not accepted/);
  });

  test("JwtVerifier fetches keys for one that it does not know, but not again at once", async () => {
    const { verifier, clock, answer, asked } = await openVerifier();
    await verifier.verify(await sign(clock));
    answer.json = await jwks("one", "two");
    await expect(verifier.verify(await sign(clock, {}, "two"))).rejects.toThrow(/no key that its issuer has/);
    expect(asked).toHaveLength(1);
    clock.advance(KEYS_COOL_DOWN_MS);
    await verifier.verify(await sign(clock, {}, "two"));
    expect(asked).toHaveLength(2);
  });

  test("JwtVerifier answers 503 without keys, goes on with old ones for a night, and drops withdrawn ones", async () => {
    const { verifier, clock, answer, asked } = await openVerifier();
    const good = answer.json;
    answer.status = 500;
    await expect(verifier.verify(await sign(clock))).rejects.toMatchObject({ code: "unavailable" });
    await expect(verifier.verify(await sign(clock))).rejects.toMatchObject({ code: "unavailable" });
    expect(asked).toHaveLength(1);
    clock.advance(KEYS_COOL_DOWN_MS);
    answer.status = 200;
    await verifier.verify(await sign(clock));
    answer.json = "not JSON";
    clock.advance(KEYS_AGE_MS + 1);
    await verifier.verify(await sign(clock));
    clock.advance(KEYS_STALE_MS);
    await expect(verifier.verify(await sign(clock))).rejects.toMatchObject({ code: "unavailable" });
    answer.json = good;
    clock.advance(KEYS_COOL_DOWN_MS);
    await verifier.verify(await sign(clock));
    answer.json = await jwks("two");
    clock.advance(KEYS_AGE_MS + 1);
    await expect(verifier.verify(await sign(clock))).rejects.toThrow(/no key that its issuer has/);
  });
});

describe("principalOf()", () => {
  const read = (claims: Claims) => principalOf({ email: "a@example.com", ...claims }, RULES);

  test("principalOf() takes scopes from scope or scp, as a text or a list", () => {
    expect(read({ scope: "a  b" }).scopes).toEqual(["a", "b"]);
    expect(read({ scp: ["a", "b"] }).scopes).toEqual(["a", "b"]);
    expect(read({}).scopes).toEqual([]);
    const names = { ...NAMES, scope: "permissions" };
    expect(principalOf({ email: "a@b", permissions: "c", scope: "a" }, { ...RULES, names }).scopes).toEqual([
      "c",
    ]);
    expect(principalOf({ email: "a@b" }, { ...RULES, scopes: ["d"] }).scopes).toEqual(["d"]);
  });

  test("principalOf() gives roles by claim and by list of administrators, and none for words that are not ours", () => {
    expect(read({ role: "admin" }).role).toBe("admin");
    expect(read({ role: ["editor", "monitor"] }).role).toBe("monitor");
    expect(read({ role: "superuser" }).role).toBe("user");
    expect(read({ email: "boss@example.com" }).role).toBe("admin");
    expect(read({ email: "Boss@example.com" }).role).toBe("user");
    expect(read({ email: "boss@example.com", role: "monitor" }).role).toBe("monitor");
  });

  test("principalOf() takes projects as *, a text or a list, and all without", () => {
    expect(
      [read({}), read({ projects: "*" }), read({ projects: ["p", "*"] })].map(({ projects }) => projects),
    ).toEqual(["all", "all", "all"]);
    expect(read({ projects: "p, s~q" }).projects).toEqual(["p", "q"]);
    expect(read({ projects: [] }).projects).toEqual([]);
  });
});

describe("googleVerifier()", () => {
  async function openGoogle() {
    const clock = manualClock();
    const server = await startAnsweringServer({ status: 200, json: await jwks("one") });
    const config = {
      googleAudience: undefined,
      publicUrl: "https://q.example.com",
      clockToleranceMs: 0,
      admins: ["boss@example.com"],
    };
    return { clock, verifier: googleVerifier(config, new RemoteKeySet(server.url, clock), clock) };
  }

  test.each(["https://accounts.google.com", "accounts.google.com"])(
    "googleVerifier() takes verified addresses of %s for this server's address, and no claims about rights",
    async (iss) => {
      const { clock, verifier } = await openGoogle();
      for (const aud of ["https://q.example.com", "https://q.example.com/"]) {
        const token = await sign(clock, {
          iss,
          aud,
          email_verified: true,
          role: "admin",
          projects: "none",
          scope: "none",
        });
        expect(verifier.accepts(shapeOf(token))).toBe(true);
        expect(await verifier.verify(token)).toEqual({
          email: "a@example.com",
          scopes: [SCOPES.full],
          role: "user",
          projects: "all",
        });
      }
      const boss = await sign(clock, {
        iss,
        aud: "https://q.example.com",
        email: "boss@example.com",
        email_verified: true,
      });
      expect(await verifier.verify(boss)).toMatchObject({ role: "admin" });
    },
  );

  test("googleVerifier() refuses addresses that are not said to be verified, and other audiences", async () => {
    const { clock, verifier } = await openGoogle();
    const google = { iss: "accounts.google.com", aud: "https://q.example.com" };
    await expect(verifier.verify(await sign(clock, google))).rejects.toThrow(/not been verified/);
    const other = await sign(clock, { ...google, aud: "https://other.example.com", email_verified: true });
    await expect(verifier.verify(other)).rejects.toThrow(/another audience/);
  });
});
