import { generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { type OAuthProvider, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { changed, files, secretsIn, signedIn, signInWith } from "../sign-in-support.js";
import { pullqueue, startTestServer } from "../support.js";

let provider: OAuthProvider;
beforeAll(async () => {
  provider = await startOAuthProvider();
});
afterAll(() => provider[Symbol.asyncDispose]());

describe("auth status", () => {
  test("auth status says who, what for, how long and where from, and nothing secret", async () => {
    const credentials = await signedIn(provider);
    const shown = await pullqueue(["auth", "status"], { env: { PULLQUEUE_CREDENTIALS: credentials } });
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    expect(shown.stdout).toMatch(
      /^account +me@example.com\nkind +a person's sign-in\nscopes .*\btaskqueue\b/,
    );
    expect(shown.stdout).toMatch(/\ntoken +ends in \d+ (?:min|s|h) \(.*Z\), renewed when needed\n/);
    expect(shown.stdout).toContain(`${credentials} (PULLQUEUE_CREDENTIALS)`);
    const json = await pullqueue(["auth", "status", credentials, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ...{ kind: "user", account: "me@example.com", namedBy: "the argument" },
    });
    for (const secret of secretsIn(credentials)) expect(shown.stdout + json.stdout).not.toContain(secret);
  });

  test("auth status refuses an empty option or argument, which a shell makes of a variable that is not set", async () => {
    const env = { PULLQUEUE_TOKEN: "very-secret" };
    for (const parameters of [["--credentials", ""], ["--audience="], [""]]) {
      const { code, stderr } = await pullqueue(["auth", "status", ...parameters], { env });
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining("is a variable of the shell not set?"),
      });
    }
  });

  test("auth status warns of a file that others can read", async () => {
    const credentials = await signedIn(provider);
    chmodSync(credentials, 0o644);
    const { code, stderr } = await pullqueue(["auth", "status", credentials]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      `pullqueue: others can read ${credentials} (mode 644): chmod 600 ${credentials} (not_private)\n`,
    );
  });

  test("auth status is about what other commands would send", async () => {
    const { folder } = files(provider);
    const tokenFile = folder.file("token");
    writeFileSync(tokenFile, "very-secret\n", { mode: 0o600 });
    const env = { PULLQUEUE_TOKEN: "very-secret", PULLQUEUE_AUDIENCE: "" };
    const fromVariable = await pullqueue(["auth", "status", "--json"], { env });
    expect(JSON.parse(fromVariable.stdout)).toEqual({
      ...{ kind: "access_token", refreshable: false, source: "PULLQUEUE_TOKEN", namedBy: "PULLQUEUE_TOKEN" },
    });
    const fromFile = await pullqueue(["auth", "status", "--token-file", tokenFile], { env });
    expect(fromFile.stdout).toMatch(/^account +not known\nkind +an access token\ntoken .*not known.*\n/);
    expect(fromFile.stdout).toContain(`${tokenFile} (--token-file)`);
    expect(fromVariable.stdout + fromFile.stdout).not.toContain("very-secret");
  });

  test("auth status does not show a token that was given for the path of its file", async () => {
    for (const token of [
      "pq_5ecretnbXBsZS10b2tlbi1vZi1wdWxscXVldWU5ecret",
      "eyJhbGciOiJSUzI1NiJ9.e30.5ecret-5ecret-5ecret",
    ]) {
      const { code, stderr } = await pullqueue(["auth", "status"], { env: { PULLQUEUE_TOKEN_FILE: token } });
      expect(code).toBe(2);
      expect(stderr).toContain("cannot read the token file");
      expect(stderr).not.toContain("5ecret");
    }
  });

  test("auth status takes a time that no calendar has for one that is not known", async () => {
    const { folder } = files(provider);
    for (const fields of [{ expiry_date: 1e300 }, { expires_at: -1e300 }]) {
      writeFileSync(folder.file("token.json"), JSON.stringify({ access_token: "a-token", ...fields }));
      const { code, stdout } = await pullqueue(["auth", "status", folder.file("token.json")]);
      expect(code).toBe(0);
      expect(stdout).toContain("its end is not known");
    }
  });

  test("auth status finds application default credentials where nothing is named, and says by what", async () => {
    const credentials = await signedIn(provider);
    const env = { GOOGLE_APPLICATION_CREDENTIALS: credentials };
    const { code, stdout } = await pullqueue(["auth", "status"], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^account +me@example.com\n/);
    expect(stdout).toMatch(/\nfrom .*credentials\.json.*GOOGLE_APPLICATION_CREDENTIALS/);
    expect((await pullqueue(["auth", "print-access-token"], { env })).stdout).toMatch(/^\S+\n$/);
  });

  test("auth status and print-access-token exit with 3 when there are no credentials", async () => {
    for (const command of ["status", "print-access-token", "refresh", "logout"]) {
      const outcome = await pullqueue(["auth", command, "/nowhere.json"]);
      expect(outcome).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("(not_found)") });
    }
  });
});

describe("auth print-access-token", () => {
  test("auth print-access-token prints a token that the provider knows, and nothing else", async () => {
    const credentials = await signedIn(provider);
    const { code, stdout, stderr } = await pullqueue(["auth", "print-access-token", credentials]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^\S+\n$/);
    expect(await provider.introspect(stdout.trim())).toMatchObject({ active: true });
    const json = await pullqueue(["auth", "print-access-token", credentials, "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({ accessToken: stdout.trim() });
  });

  test("auth print-access-token renews a token that has ended", async () => {
    const credentials = await signedIn(provider);
    const old = (await pullqueue(["auth", "print-access-token", credentials])).stdout;
    changed(credentials, { token_expiry: "2020-01-01T00:00:00Z", expiry: "2020-01-01T00:00:00.000000Z" });
    const { stdout } = await pullqueue(["auth", "print-access-token", "--credentials", credentials]);
    expect(stdout).not.toBe(old);
    expect(await provider.introspect(stdout.trim())).toMatchObject({ active: true });
  });

  test("auth print-access-token prints the token of PULLQUEUE_TOKEN, and refuses an audience for it", async () => {
    const env = { PULLQUEUE_TOKEN: "a-token" };
    expect((await pullqueue(["auth", "print-access-token"], { env })).stdout).toBe("a-token\n");
    const refused = await pullqueue(["auth", "print-access-token", "--audience", "https://h"], { env });
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--audience is for credentials, and PULLQUEUE_TOKEN says the token"),
    });
  });
});

describe("--audience", () => {
  test("--audience prints a service account's token for one server, signed by itself", async () => {
    const { folder } = files(provider);
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = folder.file("key.json");
    const fields = {
      ...{ type: "service_account", client_email: "w@p.iam.gserviceaccount.com", private_key_id: "k" },
      ...{ private_key: privateKey.export({ type: "pkcs8", format: "pem" }), token_uri: provider.tokenUrl },
    };
    writeFileSync(key, JSON.stringify(fields), { mode: 0o600 });
    const env = { PULLQUEUE_AUDIENCE: "https://queues.example.com" };
    const { stdout } = await pullqueue(["auth", "print-access-token", key], { env });
    const claims = JSON.parse(Buffer.from(stdout.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ aud: "https://queues.example.com", sub: "w@p.iam.gserviceaccount.com" });
    const status = await pullqueue(["auth", "status", key, "--audience", "https://queues.example.com"]);
    expect(status.stdout).toMatch(/\nkind +the key of a service account\n/);
    expect(status.stdout).toMatch(/\ntoken +made when needed\naudience +https:\/\/queues.example.com\n/);
  });
});

describe("auth refresh", () => {
  test("auth refresh has a new token, and says until when", async () => {
    const credentials = await signedIn(provider);
    const before = secretsIn(credentials);
    const outcome = await pullqueue(["auth", "refresh", credentials]);
    expect(outcome).toMatchObject({
      ...{ code: 0, stderr: "" },
      stdout: expect.stringMatching(/^renewed: ends in \d+ \w+ \(.*Z\), renewed when needed\n$/),
    });
    expect(secretsIn(credentials)).not.toEqual(before);
  });

  test("auth refresh warns when the provider replaced the refresh token and the new one cannot be saved", async () => {
    await using rotating = await startOAuthProvider({ rotates: true });
    const link = files(provider).folder.file("link.json");
    symlinkSync(await signedIn(rotating), link);
    expect(await pullqueue(["auth", "refresh", link])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /^pullqueue: the refresh token of .* cannot be saved .*\(credentials\)\n$/,
      ),
    });
  });

  test("auth refresh of a sign-in that was revoked names the command that mends it", async () => {
    const credentials = await signedIn(provider);
    const { refresh_token: token } = JSON.parse(readFileSync(credentials, "utf8"));
    await provider.revoke(token);
    const outcome = await pullqueue(["auth", "refresh", credentials]);
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining("pullqueue auth login") });
    expect(outcome.stderr).toContain("(sign_in_needed)");
  });

  test("auth refresh and auth logout need a file", async () => {
    for (const command of ["refresh", "logout"]) {
      const outcome = await pullqueue(["auth", command], { env: { PULLQUEUE_TOKEN: "t" } });
      expect(outcome).toMatchObject({
        ...{ code: 2, stderr: expect.stringContaining(`pullqueue auth ${command} <credentials>`) },
      });
    }
  });
});

describe("auth logout", () => {
  test("auth logout revokes the sign-in and deletes the file", async () => {
    const credentials = await signedIn(provider);
    const { refresh_token: token } = JSON.parse(readFileSync(credentials, "utf8"));
    expect(await pullqueue(["auth", "logout", credentials])).toMatchObject({
      code: 0,
      stdout: `revoked and deleted ${credentials}\n`,
    });
    expect(existsSync(credentials)).toBe(false);
    expect(await provider.introspect(token)).toEqual({ active: false });
  });

  test("auth logout keeps the file when the provider is away, and with --force deletes it and says so", async () => {
    await using own = await startOAuthProvider();
    const { folder, credentials } = files(provider);
    const secrets = own.writeClientSecrets(folder.file("own_secrets.json"));
    await signInWith(["auth", "login", secrets, credentials, "--no-browser"]);
    await own.stop();
    const refused = await pullqueue(["auth", "logout", credentials]);
    expect(refused).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("(unavailable)") });
    expect(existsSync(credentials)).toBe(true);
    const forced = await pullqueue(["auth", "logout", credentials, "--force", "--json"]);
    expect(JSON.parse(forced.stdout)).toEqual({ credentials, revoked: false, deleted: true });
    expect(JSON.parse(forced.stderr)).toMatchObject({ warning: { code: "not_revoked" } });
    expect(existsSync(credentials)).toBe(false);
  });
});

describe("--credentials", () => {
  test("--credentials that is wrong is told in its own words, and is a wrong usage", async () => {
    await using server = await startTestServer();
    const { secrets } = files(provider);
    const outcome = await server.pullqueue(["queues", "--credentials", secrets]);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining("(invalid_file)") });
    const missing = await server.pullqueue(["queues", "--credentials", "/nowhere.json"]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("/nowhere.json") });
  });

  test("--credentials sends a token that is renewed before", async () => {
    await using server = await startTestServer();
    const credentials = await signedIn(provider);
    changed(credentials, { token_expiry: "2020-01-01T00:00:00Z", expiry: "2020-01-01T00:00:00.000000Z" });
    const asked = provider.tokenRequests.length;
    expect((await server.pullqueue(["queues", "--credentials", credentials])).code).toBe(0);
    expect(provider.tokenRequests.length).toBe(asked + 1);
  });
});
