import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Child, startChild, temporaryFolder } from "@pullqueue/testing";
import { startOAuthProvider } from "@pullqueue/testing/oauth-provider";
import { describe, expect, test } from "vitest";
import { openCredentials } from "../../src/sources/open-credentials.js";
import { json, refreshes, signedInFile } from "../support/signed-in-files.js";

/**
 * Several processes with one file, at a server that replaces its refresh tokens and takes a second use of one for a theft: then it revokes
 * all that came of the sign-in, so that a single lost race ends in `sign_in_needed`.
 */

const PROGRAM = fileURLToPath(new URL("../support/token-user.ts", import.meta.url));
const PROCESSES = 4;
const ROUNDS = 25;
/** How long a process may take for its part, in milliseconds: they share two cores. */
const PATIENCE_MS = 30_000;
/** A lock whose holder was not seen to be dead is waited for a minute. */
const SOON_MS = 10_000;

/** Lines of a process, one at a time. */
async function startUser(path: string) {
  const lines: string[] = [];
  let wake = () => {};
  const child: Child = startChild(process.execPath, ["--import", "tsx", PROGRAM, path], {
    onLine: (line) => {
      lines.push(line);
      wake();
    },
  });
  await child.line(/^ready$/, PATIENCE_MS);
  lines.length = 0;
  return {
    child,
    ask: async (times: number) => {
      child.write(String(times));
      while (lines.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return lines.shift()!;
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

describe("getAccessToken() in several processes that share a file", { timeout: 120_000 }, () => {
  test("getAccessToken() renews once for all processes whose token was refused, round after round", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    await using provider = await startOAuthProvider({ rotates: true });
    await signedInFile(provider, path);
    const users = await Promise.all(Array.from({ length: PROCESSES }, () => startUser(path)));
    try {
      for (let round = 1; round <= ROUNDS; round++) {
        const answers = await Promise.all(users.map((user) => user.ask(1)));
        expect(answers).toEqual(Array.from({ length: PROCESSES }, () => `token ${json(path).access_token}`));
        expect(refreshes(provider)).toBe(round);
      }
    } finally {
      await Promise.all(users.map((user) => user.child.stop()));
    }
  });

  test("getAccessToken() loses no refresh token when processes renew as fast as they can", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    await using provider = await startOAuthProvider({ rotates: true });
    await signedInFile(provider, path);
    const users = await Promise.all(Array.from({ length: PROCESSES }, () => startUser(path)));
    try {
      const answers = await Promise.all(users.map((user) => user.ask(ROUNDS)));
      for (const answer of answers) expect(answer).toMatch(/^token /);
      expect(provider.tokenRequests.every(({ status }) => status === 200)).toBe(true);
      await using credentials = openCredentials({ credentialsFile: path });
      const token = await credentials.getAccessToken({ rejected: String(json(path).access_token) });
      expect(await provider.introspect(token)).toMatchObject({ active: true });
      expect(existsSync(`${path}.lock`)).toBe(false);
    } finally {
      await Promise.all(users.map((user) => user.child.stop()));
    }
  });

  test("getAccessToken() goes on at once after a process was killed while it renewed", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    await using provider = await startOAuthProvider();
    await signedInFile(provider, path);
    await using killed = await startUser(path);
    await using waiting = await startUser(path);
    const held = provider.holdTokenAnswers();
    void killed.ask(1);
    await held.reached;
    const answer = waiting.ask(1);
    killed.child.signal("SIGKILL");
    await killed.child.exited(PATIENCE_MS);
    held.release();
    const late = AbortSignal.timeout(SOON_MS);
    const first = await Promise.race([
      answer,
      new Promise<string>((resolve) => late.addEventListener("abort", () => resolve("waited too long"))),
    ]);
    expect(first).toMatch(/^token /);
    expect(refreshes(provider)).toBe(2);
  });

  test("getAccessToken() says that a sign-in is needed where a killed process took the new refresh token with it", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    await using provider = await startOAuthProvider({ rotates: true });
    await signedInFile(provider, path);
    await using killed = await startUser(path);
    await using other = await startUser(path);
    const held = provider.holdTokenAnswers();
    void killed.ask(1);
    await held.reached;
    killed.child.signal("SIGKILL");
    await killed.child.exited(PATIENCE_MS);
    held.release();
    expect(await other.ask(1)).toMatch(/^failed sign_in_needed .*pullqueue auth login/);
  });
});
