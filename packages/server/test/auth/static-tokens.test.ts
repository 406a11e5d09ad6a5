import { chmod, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { manualClock, systemClock } from "@pullqueue/core";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { createToken, listTokens, revokeToken, type TokenGrant } from "../../src/auth/own-tokens.js";
import { StaticTokens } from "../../src/auth/static-tokens.js";
import { LOCK_STALE_MS, TOKENS_LOOK_MS } from "../../src/limits.js";
import { createLog } from "../../src/log.js";
import { SCOPES } from "./support.js";

const GRANT: TokenGrant = {
  email: "worker@example.com",
  role: "user",
  scopes: [SCOPES.full],
  projects: ["p"],
};

function tokensFile(): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return folder.file(".pullqueue/tokens.json");
}

async function opened(path: string, clock = manualClock()) {
  const lines: string[] = [];
  const log = createLog({
    level: "debug",
    format: "json",
    stream: { write: (line) => void lines.push(line) },
  });
  const verifier = await new StaticTokens(path, clock, log).open();
  return { clock, lines, verify: (token: string) => verifier.verify(token) };
}

describe("createToken()", () => {
  test("createToken() keeps a hash and not the token, in a file and a folder for its owner alone", async () => {
    const path = tokensFile();
    const { token, stored } = await createToken(path, GRANT, systemClock());
    expect(token).toMatch(/^pq_[\w-]{43}$/);
    const text = await readFile(path, "utf8");
    expect(text).not.toContain(token.slice(3));
    expect(text).toContain(stored.sha256);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
    expect(await listTokens(path)).toMatchObject([{ ...GRANT, id: stored.sha256.slice(0, 12) }]);
  });

  test("createToken() at the same time as others loses none", async () => {
    const path = tokensFile();
    await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        createToken(path, { ...GRANT, email: `w${n}@example.com` }, systemClock()),
      ),
    );
    expect(await listTokens(path)).toHaveLength(12);
  });

  test("createToken() takes no notice of the lock of a command that was killed, and waits for one that was not", async () => {
    const path = tokensFile();
    await createToken(path, GRANT, systemClock());
    await writeFile(`${path}.lock`, "");
    const waiting = createToken(path, GRANT, systemClock());
    await rm(`${path}.lock`);
    await waiting;
    await writeFile(`${path}.lock`, "");
    const old = (systemClock().nowUs() / 1000 - LOCK_STALE_MS) / 1000 - 1;
    await utimes(`${path}.lock`, old, old);
    await createToken(path, GRANT, systemClock());
    expect(await listTokens(path)).toHaveLength(3);
  });

  test.each([
    [{ email: "nobody" }, /email must be an address/],
    [{ role: "monitor" }, /metrics of all projects/],
    [{ expiresAtUs: 1 }, /expired already/],
    [{ projects: ["not a project"] }, /a project is/],
  ] as const)("createToken() refuses the grant %j and writes nothing", async (differing, message) => {
    const path = tokensFile();
    await expect(createToken(path, { ...GRANT, ...differing }, systemClock())).rejects.toThrow(message);
    await expect(stat(path)).rejects.toThrow("ENOENT");
  });

  test("createToken() forgets tokens that have expired", async () => {
    const path = tokensFile();
    const clock = manualClock();
    await createToken(path, { ...GRANT, expiresAtUs: clock.nowUs() + 1_000_000 }, clock);
    clock.advance(1_000);
    const { stored } = await createToken(path, GRANT, clock);
    expect((await listTokens(path)).map(({ id }) => id)).toEqual([stored.id]);
  });
});

describe("StaticTokens", () => {
  test("StaticTokens knows the caller of a token until it expires", async () => {
    const path = tokensFile();
    const clock = manualClock();
    const expiresAtUs = clock.nowUs() + 60_000_000;
    const { token } = await createToken(path, { ...GRANT, expiresAtUs }, clock);
    const { verify } = await opened(path, clock);
    expect(await verify(token)).toMatchObject({ email: "worker@example.com", role: "user", projects: ["p"] });
    clock.advance(59_999);
    await verify(token);
    clock.advance(1);
    await expect(verify(token)).rejects.toThrow(/has expired/);
  });

  test("StaticTokens refuses tokens that it has not given out", async () => {
    const path = tokensFile();
    const { token } = await createToken(path, GRANT, systemClock());
    const { verify } = await opened(path);
    const last = token.endsWith("A") ? "B" : "A";
    for (const wrong of [
      `${token.slice(0, -1)}${last}`,
      `${token}A`,
      token.slice(0, -1),
      "pq_",
      "pq_toString",
    ]) {
      await expect(verify(wrong)).rejects.toMatchObject({ code: "unauthenticated" });
    }
  });

  test("StaticTokens sees new and revoked tokens after a second, without a restart", async () => {
    const path = tokensFile();
    const { verify, clock } = await opened(path);
    const first = await createToken(path, GRANT, systemClock());
    await expect(verify(first.token)).rejects.toThrow(/not known/);
    clock.advance(TOKENS_LOOK_MS);
    await verify(first.token);
    const second = await createToken(path, GRANT, systemClock());
    expect(await revokeToken(path, first.stored.id, systemClock())).toMatchObject({ id: first.stored.id });
    expect(await revokeToken(path, first.stored.id, systemClock())).toBeUndefined();
    await verify(first.token);
    clock.advance(TOKENS_LOOK_MS);
    await expect(verify(first.token)).rejects.toThrow(/revoked/);
    await verify(second.token);
  });

  test("StaticTokens goes on with what it knew when the file cannot be read, and says so once", async () => {
    const path = tokensFile();
    const { token } = await createToken(path, GRANT, systemClock());
    const { verify, clock, lines } = await opened(path);
    await writeFile(path, `{"tokens": [${token}`);
    for (let n = 0; n < 3; n++) {
      clock.advance(TOKENS_LOOK_MS);
      await verify(token);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/is not one that .*those from before count/);
    expect(lines[0]).not.toContain(token);
    await rm(path);
    clock.advance(TOKENS_LOOK_MS);
    await expect(verify(token)).rejects.toThrow(/not known/);
  });

  test("StaticTokens.open() refuses a file that others may write, and one that is not its own", async () => {
    const path = tokensFile();
    await createToken(path, GRANT, systemClock());
    await chmod(path, 0o620);
    await expect(opened(path)).rejects.toThrow(/may be written by others.*chmod 600/);
    await chmod(path, 0o600);
    for (const text of ["", "[]", "null", '{"tokens": 1}', '{"tokens": [{}]}', '{"tokens": [null]}']) {
      await writeFile(path, text);
      await expect(opened(path), text).rejects.toMatchObject({ code: "invalid_argument" });
    }
  });
});
