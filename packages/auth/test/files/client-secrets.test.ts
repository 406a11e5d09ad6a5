import { mkdirSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { afterAll, describe, expect, test } from "vitest";
import { readClientSecrets } from "../../src/files/client-secrets.js";
import { refusal } from "../support/sample-credentials.js";

const folder = temporaryFolder();
const path = folder.file("client_secrets.json");
afterAll(() => folder[Symbol.dispose]());

const GOOGLE = {
  client_id: "1234-abc.apps.googleusercontent.com",
  project_id: "my-app",
  auth_uri: "https://accounts.google.com/o/oauth2/auth",
  token_uri: "https://oauth2.googleapis.com/token",
  auth_provider_x509_cert_url: "https://www.googleapis.com/oauth2/v1/certs",
  client_secret: "GOCSPX-hidden",
  redirect_uris: ["http://localhost"],
};

const OWN = {
  client_id: "desktop",
  auth_uri: "http://127.0.0.1:4000/auth",
  token_uri: "http://localhost:4000/token",
};

function read(json: unknown) {
  writeFileSync(path, typeof json === "string" ? json : JSON.stringify(json));
  return readClientSecrets(path);
}

describe("readClientSecrets()", () => {
  test("reads what Google's console gives, and knows where Google takes a sign-in back", async () => {
    expect(await read({ installed: GOOGLE })).toEqual({
      clientId: GOOGLE.client_id,
      clientSecret: "GOCSPX-hidden",
      authUri: GOOGLE.auth_uri,
      tokenUri: GOOGLE.token_uri,
      revokeUri: "https://oauth2.googleapis.com/revoke",
      redirectUris: ["http://localhost"],
    });
  });

  test("reads a file of 2013, with its addresses and the redirect that was switched off", async () => {
    const old = {
      ...GOOGLE,
      project_id: undefined,
      token_uri: "https://accounts.google.com/o/oauth2/token",
      redirect_uris: ["urn:ietf:wg:oauth:2.0:oob", "http://localhost"],
    };
    expect(await read({ installed: old })).toMatchObject({
      tokenUri: "https://accounts.google.com/o/oauth2/token",
      revokeUri: "https://oauth2.googleapis.com/revoke",
      redirectUris: ["urn:ietf:wg:oauth:2.0:oob", "http://localhost"],
    });
  });

  test("takes any other provider, over plain http only on this machine, and clients without a secret", async () => {
    expect(await read({ installed: OWN })).toMatchObject({
      clientSecret: undefined,
      authUri: OWN.auth_uri,
      revokeUri: undefined,
      redirectUris: [],
    });
    expect(await read({ installed: { ...OWN, revoke_uri: "https://auth.example/revoke" } })).toMatchObject({
      revokeUri: "https://auth.example/revoke",
    });
  });

  test("reads a file that a Windows editor put a byte order mark before", async () => {
    expect(await read(`\ufeff${JSON.stringify({ installed: OWN })}`)).toMatchObject({ clientId: "desktop" });
  });

  const otherKinds: readonly (readonly [string, unknown, RegExp])[] = [
    ["a web client", { web: GOOGLE }, /client secrets of a web application.*"Desktop app"/],
    ["a service account's key", { type: "service_account" }, /this is the key of a service account/],
    ["authorized_user", { type: "authorized_user" }, /this is a person's credentials \(authorized_user\)/],
    ["oauth2client's file", { _class: "X", _module: "y" }, /this is credentials that oauth2client stored/],
    ["an access token", { access_token: "ya29.hidden" }, /this is an access token/],
    ["google-services.json", { project_info: {} }, /google-services\.json/],
    ["another object", { installed: "hidden" }, /kind that is not known here/],
    [
      "a client's bare fields",
      OWN,
      /client secrets without the object "installed" around them; put it there/,
    ],
    ["an array", "[]", /this is JSON, but not an object/],
    ["no JSON", "client_id=hidden", /this is not JSON/],
    ["half a file", '{"installed": {"client_id": "hidden', /this is damaged/],
    ["an empty file", "", /this is empty/],
    ["a PEM key", "-----BEGIN PRIVATE KEY-----\nhidden", /PEM key/],
    ["a pickle", "ccopy_reg\n_reconstructor\nhidden", /Python pickle.*Sign in again/],
  ];
  test.each(otherKinds)("refuses %s and says that it is one", async (_, json, message) => {
    const refused = await refusal(() => read(json));
    expect(refused.code).toBe("invalid_file");
    expect(refused.message).toMatch(message);
    expect(refused.message).toContain(path);
    expect(refused.message).not.toContain("hidden");
  });

  test.each([
    ["client_id", "[[INSERT CLIENT ID HERE]]"],
    ["client_secret", "[[INSERT CLIENT SECRET HERE]]"],
    ["client_id", "<your client id>"],
    ["client_id", "YOUR_CLIENT_ID"],
  ])("refuses a placeholder in %s: %s", async (name, value) => {
    const refused = await refusal(() => read({ installed: { ...GOOGLE, [name]: value } }));
    expect(refused).toMatchObject({ code: "invalid_file", message: expect.stringMatching(/placeholders/) });
  });

  test.each([
    ["client_id", undefined, /"client_id" is missing/],
    ["auth_uri", undefined, /"auth_uri" is missing/],
    ["token_uri", "", /"token_uri" is empty/],
    ["token_uri", "file:///etc/passwd", /"token_uri" must be an https URL/],
    ["client_id", 7, /"client_id" is not a text/],
  ])("refuses a client whose %s is %j", async (name, value, message) => {
    const refused = await refusal(() => read({ installed: { ...GOOGLE, [name]: value } }));
    expect(refused).toMatchObject({ code: "invalid_file", message: expect.stringMatching(message) });
  });

  test.each(["auth_uri", "token_uri"])("refuses plain http to another machine in %s", async (name) => {
    const refused = await refusal(() => read({ installed: { ...GOOGLE, [name]: "http://auth.example/" } }));
    expect(refused).toMatchObject({ code: "not_permitted", message: expect.stringContaining(name) });
  });

  test("says whether a file is not there, is a folder, is too large, or has an impossible name", async () => {
    expect(await refusal(() => readClientSecrets(folder.file("none.json")))).toMatchObject({
      code: "not_found",
    });
    mkdirSync(folder.file("folder"));
    expect((await refusal(() => readClientSecrets(folder.file("folder")))).message).toMatch(/is a folder/);
    expect((await refusal(() => read(`"${"x".repeat(300_000)}"`))).message).toMatch(/more than 262144 bytes/);
    expect((await refusal(() => readClientSecrets("/dev/zero"))).message).toMatch(/is a pipe or a device/);
    expect((await refusal(() => readClientSecrets("a\0b"))).code).toBe("invalid_argument");
  });

  test("says that the system does not let it read a file", async () => {
    // Not even an administrator reads a process's memory from address 0.
    const refused = await refusal(() => readClientSecrets("/proc/self/mem"));
    expect(refused).toMatchObject({
      code: "not_permitted",
      message: expect.stringContaining("cannot be read"),
    });
  });
});
