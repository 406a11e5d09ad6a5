import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { manualClock } from "@pullqueue/core";
import { temporaryFolder } from "@pullqueue/testing";
import { type JWTPayload, SignJWT } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { ServiceAccounts } from "../../src/auth/service-accounts.js";
import { shapeOf } from "../../src/auth/token-shape.js";
import { SCOPES } from "./support.js";

const EMAIL = "worker@shop.iam.gserviceaccount.com";
const PUBLIC_URL = "https://q.example.com";

/** A certificate of a service account and its key, of no use elsewhere. */
const fixture = (name: "cert" | "key") =>
  readFileSync(
    new URL(`../../../testing/test/fixtures/service-account-${name}.pem`, import.meta.url),
    "utf8",
  );

const pairs = [0, 1].map(() => generateKeyPairSync("rsa", { modulusLength: 2048 }));
const [pair, otherPair] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];
const pem = (key: KeyObject, type: "spki" | "pkcs8") => String(key.export({ type, format: "pem" }));
const accountJson = JSON.stringify({
  type: "service_account",
  client_email: EMAIL,
  private_key: pem(pair.privateKey, "pkcs8"),
});

async function open(list: unknown, files: Readonly<Record<string, string>> = {}) {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const clock = manualClock();
  const write = async (name: string, text: string) => writeFile(folder.file(name), text);
  for (const [name, text] of Object.entries(files)) await write(name, text);
  await write("list.json", typeof list === "string" ? list : JSON.stringify(list));
  const options = { path: folder.file("list.json"), audience: PUBLIC_URL, clockToleranceMs: 0, clock };
  return { clock, write, verifier: await new ServiceAccounts(options).open() };
}

function sign(clock: { nowUs(): number }, claims: JWTPayload = {}, key = pair.privateKey): Promise<string> {
  const now = Math.floor(clock.nowUs() / 1_000_000);
  return new SignJWT({ iss: EMAIL, sub: EMAIL, aud: PUBLIC_URL, iat: now, exp: now + 3600, ...claims })
    .setProtectedHeader({ alg: "RS256" })
    .sign(key);
}

describe("ServiceAccounts", () => {
  test.each([
    ["a service account's JSON", { key: "k" }, accountJson],
    ["a certificate", { key: "k", email: EMAIL }, fixture("cert")],
    ["a public key", { key: "k", email: EMAIL }, pem(pair.publicKey, "spki")],
  ])(
    "ServiceAccounts knows self-signed tokens by %s, with the rights of the list",
    async (_, entry, file) => {
      const { verifier, clock } = await open([{ ...entry, role: "admin", projects: ["s~p"] }], { k: file });
      const key = file === fixture("cert") ? createPrivateKey(fixture("key")) : pair.privateKey;
      const token = await sign(clock, {}, key);
      expect(verifier.accepts(shapeOf(token))).toBe(true);
      expect(await verifier.verify(token)).toEqual({
        email: EMAIL,
        role: "admin",
        projects: ["p"],
        scopes: [SCOPES.full],
      });
      await verifier.verify(await sign(clock, { aud: `${PUBLIC_URL}/` }, key));
      const narrowed = await verifier.verify(
        await sign(clock, { scope: SCOPES.consumer, role: "monitor" }, key),
      );
      expect([narrowed.scopes, narrowed.role]).toEqual([[SCOPES.consumer], "admin"]);
      const listed = await sign(clock, { scope: [SCOPES.consumer] }, key);
      expect(await verifier.verify(listed)).toMatchObject({ scopes: [SCOPES.consumer] });
    },
  );

  test.each([
    [{ aud: "https://other.example.com" }, /another audience/],
    [{ sub: "boss@example.com" }, /as iss and as sub/],
    [{ iat: undefined }, /an hour at most/],
    [{ iat: 1 }, /an hour at most/],
    [{ exp: 1 }, /has expired/],
    // Ten years ahead, for an hour.
    [{ iat: 2_082_758_400, exp: 2_082_762_000 }, /an hour at most/],
    [{ scope: { of: "nothing" } }, /neither a text nor a list/],
  ] as const)("ServiceAccounts refuses the claims %j", async (claims, message) => {
    const { verifier, clock } = await open([{ key: "k" }], { k: accountJson });
    const token = await sign(clock, claims as unknown as JWTPayload);
    await expect(verifier.verify(token)).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringMatching(message),
    });
  });

  test("ServiceAccounts refuses another's signature, and takes both keys of an account while one is replaced", async () => {
    const files = { k: accountJson, other: pem(otherPair.publicKey, "spki") };
    const one = await open([{ key: "k" }], files);
    await expect(one.verifier.verify(await sign(one.clock, {}, otherPair.privateKey))).rejects.toThrow(
      /signature/,
    );
    await one.write("list.json", JSON.stringify([{ key: "k" }, { key: "other", email: EMAIL }]));
    await one.verifier.refresh();
    await one.verifier.verify(await sign(one.clock, {}, otherPair.privateKey));
    await one.verifier.verify(await sign(one.clock));
    await one.write("list.json", "[");
    await one.verifier.refresh();
    await one.verifier.verify(await sign(one.clock));
    await one.write("list.json", JSON.stringify([{ key: "other", email: EMAIL }]));
    await one.verifier.refresh();
    await expect(one.verifier.verify(await sign(one.clock))).rejects.toThrow(/signature/);
  });

  test("ServiceAccounts.open() tells everything that is wrong with a list, and quotes no key", async () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const files = {
      ec: pem(ec.publicKey, "spki"),
      k: accountJson,
      text: "s3cret",
      rsa: pem(pair.publicKey, "spki"),
    };
    const list = [
      { key: "nowhere", email: EMAIL },
      { key: "rsa" },
      { key: "text", email: EMAIL },
      { key: "ec", email: EMAIL },
      { key: "k", email: "other@example.com" },
      { key: "k", role: "root" },
      { key: "k", projects: "p" },
      null,
    ];
    const error: Error = await open(list, files).then(
      () => new Error("opened"),
      (thrown) => thrown,
    );
    expect(
      error.message
        .split("\n")
        .slice(1)
        .map((line) => line.trim().replace(/".*\//, '"…/')),
    ).toEqual([
      expect.stringMatching(/^entry 1: key: cannot read .*nowhere" \(ENOENT\)$/),
      "entry 2: email must be the account's address",
      expect.stringMatching(/^entry 3: key must be a file with/),
      "entry 4: key must be an RSA key, got ec",
      expect.stringMatching(/^entry 5: email is "other@example.com", and the key's is/),
      "entry 6: role must be admin, user, monitor",
      expect.stringMatching(/^entry 7: projects must be a list/),
      expect.stringMatching(/^entry 8: key must name a file/),
    ]);
    expect(error.message).not.toContain("s3cret");
    await expect(open("{}")).rejects.toThrow(/expected a list/);
    await expect(open([])).rejects.toThrow(/expected a list/);
  });
});
