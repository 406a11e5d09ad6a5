import { readFileSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { pullqueue, startTestServer } from "../support.js";

function tokensFile(): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return folder.file("tokens.json");
}

const FULL = "https://www.googleapis.com/auth/taskqueue";

describe("token", () => {
  test("token create without its option names its own help", async () => {
    const outcome = await pullqueue(["token", "create"]);
    expect(outcome).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("pullqueue token create --help"),
    });
  });

  test("token create prints the token alone, and list and revoke know it by its id", async () => {
    const file = tokensFile();
    const common = ["--tokens-file", file];
    const created = await pullqueue([
      ...["token", "create", "--email", "w@example.com", "--role", "admin", "--project", "s~p, q"],
      ...["--scope", "taskqueue.consumer,https://example.com/other", "--expires", "90d", ...common],
    ]);
    expect(created).toMatchObject({ code: 0, stdout: expect.stringMatching(/^pq_[\w-]{43}\n$/) });
    expect(created.stderr).toMatch(
      /^made for w@example.com with the id [0-9a-f]{12}; the token is not shown again\n$/,
    );
    const listed = await pullqueue(["token", "list", ...common]);
    expect(listed.stdout).toMatch(
      /^ID +EMAIL +ROLE +SCOPES +PROJECTS +EXPIRES\n[0-9a-f]{12} +w@example.com +admin +taskqueue.consumer,https:\/\/example.com\/other +p,q +\d{4}-/,
    );
    const [, id = ""] = /with the id (\w+)/.exec(created.stderr) ?? [];
    expect(await pullqueue(["token", "revoke", id, ...common])).toMatchObject({
      code: 0,
      stdout: `revoked ${id}, the token of w@example.com\n`,
    });
    expect(await pullqueue(["token", "list", ...common])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "there are no tokens\n",
    });
    expect((await pullqueue(["token", "revoke", id, ...common])).code).toBe(3);
  });

  test("token with --json shows everything but the hash, and finds the file by PULLQUEUE_TOKENS_FILE", async () => {
    const env = { PULLQUEUE_TOKENS_FILE: tokensFile() };
    const created = JSON.parse(
      (await pullqueue(["token", "create", "--email", "a@example.com", "--json"], { env })).stdout,
    );
    const { token, ...rest } = created;
    expect(token).toMatch(/^pq_/);
    expect(rest).toEqual({
      id: expect.any(String),
      email: "a@example.com",
      role: "user",
      scopes: [FULL],
      projects: "all",
      createdAt: expect.any(String),
    });
    expect(JSON.parse((await pullqueue(["token", "list", "--json"], { env })).stdout)).toEqual(rest);
    expect(JSON.parse((await pullqueue(["token", "revoke", rest.id, "--json"], { env })).stdout)).toEqual(
      rest,
    );
  });

  test("token create gives the role monitor no scope, and refuses what cannot be", async () => {
    const common = ["--tokens-file", tokensFile(), "--json"];
    const monitor = await pullqueue([
      "token",
      "create",
      "--email",
      "m@example.com",
      "--role",
      "monitor",
      ...common,
    ]);
    expect(JSON.parse(monitor.stdout)).toMatchObject({ role: "monitor", scopes: [], projects: "all" });
    for (const wrong of [
      [],
      ["--email", "nobody"],
      ["--email", "a@example.com", "--role", "root"],
      ["--email", "a@example.com", "--scope", "everything"],
      ["--email", "a@example.com", "--expires", "0d"],
      ["--email", "a@example.com", "--expires", "soon"],
      ["--email", "a@example.com", "--project", "%"],
    ]) {
      expect(await pullqueue(["token", "create", ...wrong, ...common])).toMatchObject({
        code: 2,
        stdout: "",
      });
    }
    expect((await pullqueue(["token", "list", ...common])).stdout.trim().split("\n")).toHaveLength(1);
  });
});

describe("--token-file", () => {
  test("--token-file sends what is in the file, without the line's end", async () => {
    await using server = await startTestServer();
    const file = tokensFile();
    writeFileSync(file, "pq_abc\n");
    expect((await server.pullqueue(["put", "jobs", "x", "--token-file", file])).code).toBe(0);
    const far = { env: { PULLQUEUE_ENDPOINT: "http://queues.example.com", PULLQUEUE_TOKEN_FILE: file } };
    expect((await server.pullqueue(["queues"], far)).stderr).toContain("access tokens are sent over https");
    expect(readFileSync(file, "utf8")).toBe("pq_abc\n");
  });

  test.each([
    ["two words", "must hold a token and nothing else"],
    ["", "must hold a token and nothing else"],
    ['{"access_token": "x"}', "is for --credentials"],
    ["x".repeat(9000), "must hold a token and nothing else"],
  ])("--token-file refuses a file with %.20j and does not quote it", async (text, message) => {
    await using server = await startTestServer();
    const file = tokensFile();
    writeFileSync(file, text);
    const { code, stderr } = await server.pullqueue(["queues", "--token-file", file]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test("--token-file that is not there, or beside another one, is a wrong usage", async () => {
    await using server = await startTestServer();
    const missing = await server.pullqueue(["queues", "--token-file", "/nowhere"]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('"/nowhere" (ENOENT)') });
    const both = await server.pullqueue(["queues", "--token-file", "a", "--credentials", "b"]);
    expect(both).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--credentials and --token-file both/),
    });
    const env = { PULLQUEUE_TOKEN: "a", PULLQUEUE_ACCESS_TOKEN: "b" };
    expect((await server.pullqueue(["queues"], { env })).stderr).toContain("both say which token to send");
  });
});
