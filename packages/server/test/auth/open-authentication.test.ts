import { writeFile } from "node:fs/promises";
import { systemClock } from "@pullqueue/core";
import { temporaryFolder } from "@pullqueue/testing";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { authenticate } from "../../src/auth/authenticate.js";
import { openAuthentication } from "../../src/auth/open-authentication.js";
import { createToken } from "../../src/auth/own-tokens.js";
import { loadConfig } from "../../src/config.js";
import { createLog } from "../../src/log.js";
import { ORIGIN } from "../support.js";
import { startAnsweringServer } from "./answering-server.js";
import { SCOPES } from "./support.js";

const log = createLog({ level: "silent", format: "json" });

/** Several ways at once, and a function that says who a token is found to be from. */
async function openAll(flags: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>> = {}) {
  const config = await loadConfig({ flags: { store: "memory:", ...flags }, env });
  const authentication = (await openAuthentication(config, { clock: systemClock(), log }))!;
  return async (token: string) => {
    const request = new Request(ORIGIN, { headers: { authorization: `Bearer ${token}` } });
    return authenticate(authentication, request, new Map()).then(
      ({ email }) => email,
      (error: Error) => error.message,
    );
  };
}

test("openAuthentication() sends each token to the first way that knows its shape", async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "k" };
  await writeFile(folder.file("jwks.json"), JSON.stringify({ keys: [jwk] }));
  const tokensFile = folder.file("tokens.json");
  const grant = { email: "own@example.com", role: "user", scopes: [SCOPES.full], projects: "all" } as const;
  const own = await createToken(tokensFile, grant, systemClock());
  const introspected = await startAnsweringServer({
    status: 200,
    json: { active: true, email: "opaque@example.com" },
  });
  const google = await startAnsweringServer({
    status: 200,
    json: { aud: "c", email: "google@example.com", email_verified: "true" },
  });
  const emailOf = await openAll(
    {
      auth: "introspection,tokeninfo,jwt,tokens",
      tokensFile,
      ...{ jwtIssuer: "https://i.example.com", jwtAudience: "us", jwtJwksFile: folder.file("jwks.json") },
      ...{ introspectionUrl: introspected.url, tokeninfoUrl: google.url, tokeninfoAudience: "c" },
    },
    { PULLQUEUE_INTROSPECTION_CLIENT_ID: "id", PULLQUEUE_INTROSPECTION_CLIENT_SECRET: "secret" },
  );
  const sign = (iss: string) =>
    new SignJWT({ iss, aud: "us", email: "jwt@example.com", exp: 9_999_999_999 })
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .sign(privateKey);
  expect(await emailOf(own.token)).toBe("own@example.com");
  expect(await emailOf("pq_other")).toMatch(/not known here/);
  expect(await emailOf(await sign("https://i.example.com"))).toBe("jwt@example.com");
  expect(await emailOf(await sign("https://other.example.com"))).toBe("opaque@example.com");
  expect(await emailOf("ya29.abc")).toBe("google@example.com");
  expect(await emailOf("whatever")).toBe("opaque@example.com");
});

test("openAuthentication() says which tokens are taken to whoever sends another kind", async () => {
  const emailOf = await openAll({ auth: "tokens", tokensFile: "/nowhere/tokens.json" });
  expect(await emailOf("opaque")).toMatch(/this server takes tokens made with `pullqueue token create`, and/);
});

test("openAuthentication() reads the client of introspection from a file, and names the file that cannot be used", async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const { url, asked } = await startAnsweringServer({
    status: 200,
    json: { active: true, email: "a@example.com" },
  });
  const flags = {
    auth: "introspection",
    introspectionUrl: url,
    introspectionClientFile: folder.file("client.json"),
  };
  for (const text of ["s3cret", "null", '{"client_id": "s3cret"}']) {
    await writeFile(folder.file("client.json"), text);
    const refused = openAll(flags);
    await expect(refused).rejects.toThrow(
      /--introspection-client-file .* must be a JSON object with client_id/,
    );
    await expect(refused).rejects.not.toThrow(/s3cret/);
  }
  await writeFile(folder.file("client.json"), '{"client_id": "id", "client_secret": "secret"}');
  expect(await (await openAll(flags))("t")).toBe("a@example.com");
  expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from("id:secret").toString("base64")}`);
});

test("loadConfig() takes secrets from variables and files, never from flags, and quotes none", async () => {
  const flags = {
    auth: "introspection",
    introspectionUrl: "https://i.example.com/i",
    introspectionClientId: "x",
    introspectionClientSecret: "s3cret",
  };
  await expect(loadConfig({ flags })).rejects.toThrow(
    /needs --introspection-client-file .* or PULLQUEUE_INTROSPECTION_CLIENT_ID/,
  );
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  await writeFile(folder.file("c"), "introspectionClientId: id\nintrospectionClientSecret: 73217321\n");
  const refused = loadConfig({ flags: { ...flags, config: folder.file("c") } });
  await expect(refused).rejects.toThrow(/introspectionClientSecret in the file\): expected a text$/);
  await expect(refused).rejects.not.toThrow(/7321/);
});
