import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { temporaryFolder } from "@pullqueue/testing";
import {
  type OAuthProvider,
  type PersonOptions,
  signInByHttp,
  startOAuthProvider,
} from "@pullqueue/testing/oauth-provider";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { runAuthenticate } from "../../src/authenticate.js";
import { runCommand } from "../../src/main.js";
import { pullqueue, startTestServer } from "../support.js";

/** Against a real authorization server, whose pages are walked through without a browser. */

const TASKQUEUE = "https://www.googleapis.com/auth/taskqueue";

let provider: OAuthProvider;
beforeAll(async () => {
  provider = await startOAuthProvider();
});
afterAll(() => provider[Symbol.asyncDispose]());

/** Files of one test: client secrets that are there, and credentials that are not. */
function files() {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return {
    folder,
    secrets: provider.writeClientSecrets(folder.file("client_secrets.json")),
    credentials: folder.file("credentials.json"),
  };
}

interface LoginSetting extends PersonOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: typeof runCommand;
  /** Pastes the final address, after these lines. Default: the browser finds its way to the loopback. */
  readonly paste?: readonly string[];
}

/** Runs a sign-in without a browser of its own; somebody opens the address that it prints. */
async function signInWith(parameters: readonly string[], setting: LoginSetting = {}) {
  const { paste, env = {}, run = runCommand, ...person } = setting;
  const input = new PassThrough();
  let walked: Promise<void> | undefined;
  const outcome = await pullqueue(parameters, {
    ...{ input, env, run },
    onErrors: (text) => {
      const [address] = /http:\/\/\S+\?[^\s"]+/.exec(text) ?? [];
      if (address === undefined || walked !== undefined) return;
      walked = signInByHttp(address, person).then(async (final) => {
        if (paste === undefined) await fetch(final);
        else for (const line of [...paste, final.href]) input.write(`${line}\n`);
      });
    },
  });
  await walked;
  return { ...outcome, input };
}

/** Signs in, and gives the file. */
async function signedIn(): Promise<string> {
  const { secrets, credentials } = files();
  const { code, stderr } = await signInWith(["auth", "login", secrets, credentials, "--no-browser"]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return credentials;
}

/** Every secret of a credentials file. */
function secretsIn(path: string): readonly string[] {
  const fields = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  return ["client_secret", "refresh_token", "access_token", "token", "id_token_jwt"].flatMap((name) =>
    typeof fields[name] === "string" && fields[name] !== "" ? [fields[name]] : [],
  );
}

function changed(path: string, change: Readonly<Record<string, unknown>>): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
}

describe("auth login", () => {
  test("auth login signs in, writes the file for its owner alone, and says as whom", async () => {
    const { secrets, credentials } = files();
    const outcome = await signInWith(["auth", "login", secrets, credentials, "--no-browser"]);
    expect(outcome).toMatchObject({
      code: 0,
      stdout: `signed in as me@example.com; the credentials are in ${credentials}\n`,
    });
    expect(statSync(credentials).mode & 0o777).toBe(0o600);
    for (const secret of secretsIn(credentials))
      expect(outcome.stdout + outcome.stderr).not.toContain(secret);
  });

  test("auth login takes the final address from standard input, and asks again when it is another", async () => {
    const { secrets, credentials } = files();
    const { code, stderr, input } = await signInWith(
      ["auth", "login", secrets, credentials, "--no-browser"],
      { paste: ["", "what is meant?", "http://127.0.0.1:1/?code=c&state=wrong"] },
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr.match(/\(not_an_answer\)/g)).toHaveLength(2);
    // Else the process would not end.
    expect(input.destroyed).toBe(true);
  });

  test("auth login waits for the browser after the end of standard input", async () => {
    const { secrets, credentials } = files();
    let walked: Promise<unknown> | undefined;
    const { code } = await pullqueue(["auth", "login", secrets, credentials, "--no-browser"], {
      onErrors: (text) => {
        const [address] = /http:\/\/\S+\?\S+/.exec(text) ?? [];
        if (address !== undefined) walked ??= signInByHttp(address).then((final) => fetch(final));
      },
    });
    await walked;
    expect(code).toBe(0);
  });

  test("auth login --json gives programs the address and what came of it", async () => {
    const { secrets } = files();
    const { credentials } = files();
    const outcome = await signInWith(["auth", "login", secrets, "--no-browser", "--json"], {
      env: { PULLQUEUE_CREDENTIALS: credentials },
    });
    expect(JSON.parse(outcome.stderr)).toEqual({
      address: expect.stringContaining(provider.authorizationUrl),
      port: expect.any(Number),
    });
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      ...{ kind: "user", account: "me@example.com", refreshable: true, issuer: provider.issuer, credentials },
      scopes: expect.arrayContaining([TASKQUEUE]),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  test("auth login --scope asks for those scopes, by their short names or whole, and --port comes back there", async () => {
    const { secrets, credentials } = files();
    const { stderr } = await signInWith(
      [
        ...["auth", "login", secrets, credentials, "--no-browser", "--port", "28431"],
        ...["--scope", `taskqueue.consumer,${TASKQUEUE}`, "--scope", "openid"],
      ],
      { consent: false },
    );
    const [address = ""] = /http:\/\/\S+\?\S+/.exec(stderr) ?? [];
    const asked = new URL(address).searchParams;
    expect(asked.get("scope")?.split(" ")).toEqual(
      expect.arrayContaining([`${TASKQUEUE}.consumer`, TASKQUEUE, "openid"]),
    );
    expect(new URL(asked.get("redirect_uri") ?? "").port).toBe("28431");
  });

  test("auth login writes nothing and fails when consent is denied", async () => {
    const { secrets, credentials } = files();
    const outcome = await signInWith(["auth", "login", secrets, credentials, "--no-browser"], {
      consent: false,
    });
    expect(outcome).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("(sign_in_failed)"),
    });
    expect(existsSync(credentials)).toBe(false);
  });

  test.each([
    ["client secrets that are not there", ["/nowhere.json", "c"], "not_found"],
    ["no file to write", ["/nowhere.json"], "invalid_argument"],
    ["a file named twice", ["/nowhere.json", "c", "--credentials", "d"], "invalid_argument"],
    ["no arguments", [], "usage"],
    ["a port that is none", ["/nowhere.json", "c", "--port", "0"], "usage"],
    ["a scope that is none", ["/nowhere.json", "c", "--scope", "a b"], "usage"],
    ["a time of none", ["/nowhere.json", "c", "--timeout", "0"], "usage"],
  ])("auth login refuses %s as a wrong usage", async (_, parameters, code) => {
    const outcome = await pullqueue(["auth", "login", ...parameters]);
    expect(outcome).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(`(${code})`) });
  });

  test("auth login ends with its signal and leaves nothing", async () => {
    const { secrets, credentials } = files();
    const interruption = new AbortController();
    const outcome = await pullqueue(["auth", "login", secrets, credentials, "--no-browser"], {
      input: new PassThrough(),
      signal: interruption.signal,
      onErrors: () => interruption.abort({ kind: "interruption", exitCode: 130 }),
    });
    expect(outcome.code).toBe(130);
    expect(existsSync(credentials)).toBe(false);
  });
});

describe("pullqueue_authenticate", () => {
  test("pullqueue_authenticate SECRETS CREDENTIALS signs in, with oauth2client's flag too", async () => {
    const { secrets, credentials } = files();
    const outcome = await signInWith([secrets, credentials, "--noauth_local_webserver"], {
      run: runAuthenticate,
      paste: [],
    });
    expect(outcome).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("signed in as me@example.com"),
    });
    expect(existsSync(credentials)).toBe(true);
  });

  test("pullqueue_authenticate names itself in its help and its complaints", async () => {
    const help = await pullqueue(["--help"], { run: runAuthenticate });
    expect(help).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Usage: pullqueue_authenticate .*<client_secrets> \[credentials\]/),
    });
    expect(help.stdout).toContain("--noauth_local_webserver");
    expect(help.stdout).not.toContain("--endpoint");
    expect(await pullqueue([], { run: runAuthenticate })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("See: pullqueue_authenticate --help"),
    });
  });
});

describe("auth status", () => {
  test("auth status says who, what for, how long and where from, and nothing secret", async () => {
    const credentials = await signedIn();
    const shown = await pullqueue(["auth", "status"], { env: { PULLQUEUE_CREDENTIALS: credentials } });
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    expect(shown.stdout).toMatch(
      /^account +me@example.com\nkind +a person's sign-in\nscopes .*\btaskqueue\b/,
    );
    expect(shown.stdout).toMatch(/\ntoken +ends in \d+ (?:min|s|h) \(.*Z\), renewed when needed\n/);
    expect(shown.stdout).toContain(`${credentials} (PULLQUEUE_CREDENTIALS)`);
    const json = await pullqueue(["auth", "status", credentials, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: "user", account: "me@example.com" });
    for (const secret of secretsIn(credentials)) expect(shown.stdout + json.stdout).not.toContain(secret);
  });

  test("auth status warns of a file that others can read", async () => {
    const credentials = await signedIn();
    chmodSync(credentials, 0o644);
    const { code, stderr } = await pullqueue(["auth", "status", credentials]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      `pullqueue: others can read ${credentials} (mode 644): chmod 600 ${credentials} (not_private)\n`,
    );
  });

  test("auth status is about what other commands would send", async () => {
    const { folder } = files();
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

  test("auth status and print-access-token exit with 3 when there are no credentials", async () => {
    for (const command of ["status", "print-access-token", "refresh", "logout"]) {
      const outcome = await pullqueue(["auth", command, "/nowhere.json"]);
      expect(outcome).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("(not_found)") });
    }
  });
});

describe("auth print-access-token", () => {
  test("auth print-access-token prints a token that the provider knows, and nothing else", async () => {
    const credentials = await signedIn();
    const { code, stdout, stderr } = await pullqueue(["auth", "print-access-token", credentials]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^\S+\n$/);
    expect(await provider.introspect(stdout.trim())).toMatchObject({ active: true });
    const json = await pullqueue(["auth", "print-access-token", credentials, "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({ accessToken: stdout.trim() });
  });

  test("auth print-access-token renews a token that has ended", async () => {
    const credentials = await signedIn();
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

describe("auth refresh", () => {
  test("auth refresh has a new token, and says until when", async () => {
    const credentials = await signedIn();
    const before = secretsIn(credentials);
    const outcome = await pullqueue(["auth", "refresh", credentials]);
    expect(outcome).toMatchObject({
      ...{ code: 0, stderr: "" },
      stdout: expect.stringMatching(/^renewed: ends in \d+ \w+ \(.*Z\), renewed when needed\n$/),
    });
    expect(secretsIn(credentials)).not.toEqual(before);
  });

  test("auth refresh of a sign-in that was revoked names the command that mends it", async () => {
    const credentials = await signedIn();
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
    const credentials = await signedIn();
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
    const { folder, credentials } = files();
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
    const { secrets } = files();
    const outcome = await server.pullqueue(["queues", "--credentials", secrets]);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining("(invalid_file)") });
    const missing = await server.pullqueue(["queues", "--credentials", "/nowhere.json"]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("/nowhere.json") });
  });

  test("--credentials sends a token that is renewed before", async () => {
    await using server = await startTestServer();
    const credentials = await signedIn();
    changed(credentials, { token_expiry: "2020-01-01T00:00:00Z", expiry: "2020-01-01T00:00:00.000000Z" });
    const asked = provider.tokenRequests.length;
    expect((await server.pullqueue(["queues", "--credentials", credentials])).code).toBe(0);
    expect(provider.tokenRequests.length).toBe(asked + 1);
  });
});
