import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { type OAuthProvider, signInByHttp, startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { runAuthenticate } from "../../../src/authenticate.js";
import { files, secretsIn, signInWith } from "../../sign-in-support.js";
import { pullqueue } from "../../support.js";

const TASKQUEUE = "https://www.googleapis.com/auth/taskqueue";

let provider: OAuthProvider;
beforeAll(async () => {
  provider = await startOAuthProvider();
});
afterAll(() => provider[Symbol.asyncDispose]());

describe("auth login", () => {
  test("auth login signs in, writes the file for its owner alone, and says as whom", async () => {
    const { secrets, credentials } = files(provider);
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
    const { secrets, credentials } = files(provider);
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
    const { secrets, credentials } = files(provider);
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
    const { secrets } = files(provider);
    const { credentials } = files(provider);
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
    const { secrets, credentials } = files(provider);
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

  test("auth login opens the browser that BROWSER names, and with --no-browser none", async () => {
    const { folder, secrets, credentials } = files(provider);
    const opened = folder.file("opened");
    const browser = folder.file("browser");
    writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > "${opened}"\n`, { mode: 0o755 });
    vi.stubEnv("BROWSER", browser);
    onTestFinished(() => void vi.unstubAllEnvs());
    await signInWith(["auth", "login", secrets, credentials, "--no-browser"]);
    expect(existsSync(opened)).toBe(false);
    const { stderr } = await signInWith(["auth", "login", secrets, credentials]);
    expect(stderr).toContain(readFileSync(opened, "utf8"));
    expect(readFileSync(opened, "utf8")).toContain(provider.authorizationUrl);
  });

  test("auth login --timeout says how long a browser is waited for", async () => {
    const { secrets, credentials } = files(provider);
    const outcome = await pullqueue([
      "auth",
      "login",
      secrets,
      credentials,
      "--no-browser",
      "--timeout",
      "1s",
    ]);
    expect(outcome).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("within 1 s") });
    expect(outcome.stderr).toContain("(timeout)");
  });

  test("auth login writes nothing and fails when consent is denied", async () => {
    const { secrets, credentials } = files(provider);
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
    const { secrets, credentials } = files(provider);
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
    const { secrets, credentials } = files(provider);
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
