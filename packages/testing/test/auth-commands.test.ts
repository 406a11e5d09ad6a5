import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Child, startChild } from "../src/child.js";
import { type OAuthProvider, signInByHttp, startOAuthProvider } from "../src/oauth-provider.js";
import { runProgram } from "../src/run-program.js";
import { temporaryFolder } from "../src/temp.js";

/** The commands that sign in as processes: what only a process has, which is an input that stays open, and signals. Needs the build. */

const BIN = fileURLToPath(new URL("../../cli/bin/", import.meta.url));

/** How long a process may take to start or to end, in milliseconds, on a busy machine. */
const PROCESS_MS = 20_000;

let provider: OAuthProvider;
beforeAll(async () => {
  provider = await startOAuthProvider();
});
afterAll(() => provider[Symbol.asyncDispose]());

function start(file: string, parameters: readonly string[]) {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const secrets = provider.writeClientSecrets(folder.file("client_secrets.json"));
  const credentials = folder.file("credentials.json");
  const child = startChild(process.execPath, [
    `${BIN}${file}`,
    ...parameters,
    secrets,
    credentials,
    "--no-browser",
  ]);
  onTestFinished(async () => void (await child.stop()));
  return { child, credentials };
}

/** The address that the process has printed. */
async function addressOf(child: Child): Promise<string> {
  await expect.poll(() => child.stderr(), { timeout: PROCESS_MS }).toMatch(/press Enter/);
  return /http:\/\/\S+\?\S+/.exec(child.stderr())?.[0] ?? "";
}

describe("the sign-in as a process", () => {
  test.each([
    ["pullqueue.js", ["auth", "login"]],
    ["pullqueue-authenticate.js", []],
  ])("%s %j ends when the browser was there, though standard input stays open", async (file, parameters) => {
    const { child, credentials } = start(file, parameters);
    await fetch(await signInByHttp(await addressOf(child)));
    expect(await child.exited(PROCESS_MS)).toEqual({ code: 0, signal: null });
    expect(existsSync(credentials)).toBe(true);
  });

  test("pullqueue-authenticate.js takes the final address from standard input", async () => {
    const { child, credentials } = start("pullqueue-authenticate.js", ["--noauth_local_webserver"]);
    child.write((await signInByHttp(await addressOf(child))).href);
    expect(await child.exited(PROCESS_MS)).toEqual({ code: 0, signal: null });
    expect(existsSync(credentials)).toBe(true);
  });

  test("pullqueue auth login ends at once with SIGINT, and leaves nothing", async () => {
    const { child, credentials } = start("pullqueue.js", ["auth", "login"]);
    await addressOf(child);
    child.signal("SIGINT");
    expect(await child.exited(PROCESS_MS)).toEqual({ code: 130, signal: null });
    expect(existsSync(credentials)).toBe(false);
  });

  test("pullqueue_authenticate --help says what it takes", async () => {
    const { code, stdout } = await runProgram(process.execPath, [
      `${BIN}pullqueue-authenticate.js`,
      "--help",
    ]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^Usage: pullqueue_authenticate /),
    });
  });
});
