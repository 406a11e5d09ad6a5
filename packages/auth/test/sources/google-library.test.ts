import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "@pullqueue/testing";
import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { describe, expect, test } from "vitest";
import { recordingServer, sendJson } from "../support/recording-server.js";
import { json, signedInFile } from "../support/signed-in-files.js";

/** Programs on a machine where google-auth-library is not installed. */

const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));

function printToken(path: string): Promise<string> {
  const hook = support("without-google-library.mjs");
  const parameters = ["--import", "tsx", "--import", hook, support("print-token.ts"), path];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, parameters, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
    });
    child.once("error", reject);
    child.once("close", () => resolve(output.trim()));
  });
}

describe("Without google-auth-library", () => {
  test("getAccessToken() renews a person's sign-in and signs for a service account: nothing of it is loaded", async () => {
    using folder = temporaryFolder();
    await using provider = await startOAuthProvider();
    const path = folder.file("credentials.json");
    await signedInFile(provider, path, { expiresAtMs: 0 });
    expect(await printToken(path)).toBe(json(path).access_token);
    await using server = await recordingServer((_, response) =>
      sendJson(response, 200, { access_token: "of-the-key", expires_in: 3600 }),
    );
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = {
      type: "service_account",
      client_email: "worker@my-app.iam.gserviceaccount.com",
      private_key: privateKey.export({ format: "pem", type: "pkcs8" }),
      token_uri: `${server.origin}/token`,
    };
    writeFileSync(folder.file("key.json"), JSON.stringify(key));
    expect(await printToken(folder.file("key.json"))).toBe("of-the-key");
  });

  test("getAccessToken() names the package and what needs it", async () => {
    using folder = temporaryFolder();
    const path = folder.file("external.json");
    const fields = {
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: "https://sts.googleapis.com/v1/token",
      credential_source: { file: "/nowhere" },
    };
    writeFileSync(path, JSON.stringify(fields));
    const said = await printToken(path);
    expect(said).toMatch(/^not_supported: /);
    expect(said).toContain("npm install google-auth-library");
    expect(said).toContain(path);
  });
});
