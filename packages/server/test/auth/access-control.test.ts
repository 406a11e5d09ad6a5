import { DEFAULT_QUEUE_SETTINGS, type QueueKey } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { AccessControl } from "../../src/auth/access-control.js";
import { createLog } from "../../src/log.js";
import { ORIGIN, QUEUE, refusal } from "../support.js";
import { openGuardedApi, principal, SCOPES } from "./support.js";

const USER = principal({ role: "user", email: "user@example.com" });
const WRITER = principal({ role: "user", email: "writer@example.com" });
const ADMIN = principal({ email: "admin@example.com" });
const KEY = { project: "p", queue: "q" };

function withAcl(userEmails: readonly string[], writerEmails: readonly string[] = []) {
  return { ...DEFAULT_QUEUE_SETTINGS, acl: { userEmails, writerEmails } };
}

describe("createHandler() with authentication", () => {
  test("createHandler() asks for a token in Google's envelope and in WWW-Authenticate", async () => {
    const { call } = await openGuardedApi();
    const answer = await call("GET", QUEUE);
    expect(refusal(answer)).toEqual([401, "required", "Authorization"]);
    expect(answer.json.error).toMatchObject({
      message: expect.stringMatching(/^Login Required/),
      errors: [{ locationType: "header" }],
    });
  });

  test("createHandler() says what is wrong with a token, a scope and a request with two tokens", async () => {
    const { call, callAs } = await openGuardedApi();
    const bad = await call("GET", QUEUE, undefined, { headers: { authorization: "Bearer nonsense" } });
    expect(refusal(bad)).toEqual([401, "authError", "Authorization"]);
    expect(bad.headers.get("www-authenticate")).toMatch(
      /^Bearer realm="pullqueue", error="invalid_token", error_description="Invalid Credentials: [^"]+"$/,
    );
    const scope = await callAs({ ...USER, scopes: [] }, "GET", QUEUE);
    expect(refusal(scope)).toEqual([403, "insufficientPermissions", "Authorization"]);
    expect(scope.headers.get("www-authenticate")).toBe(
      `Bearer realm="pullqueue", error="insufficient_scope", scope="${SCOPES.full}"`,
    );
    const two = await callAs(USER, "GET", `${QUEUE}?access_token=other`);
    expect(refusal(two)).toEqual([400, "invalid", "Authorization"]);
    expect(two.headers.get("www-authenticate")).toBe('Bearer realm="pullqueue", error="invalid_request"');
    const acl = await callAs(WRITER, "GET", QUEUE);
    expect(acl.json.error.message).toMatch(/^you are not allowed to make this api call: .*user_email/);
    expect(acl.headers.get("www-authenticate")).toBe('Bearer realm="pullqueue"');
  });

  test("createHandler() takes the token from the query as from the header", async () => {
    const { call, authentication } = await openGuardedApi();
    for (const name of ["access_token", "oauth_token"]) {
      expect((await call("GET", `${QUEUE}?${name}=${authentication.tokenFor(USER)}`)).status).toBe(200);
    }
  });

  test("createHandler() shows discovery and /healthz to everybody, under any name and to pages", async () => {
    const { handler } = await openGuardedApi();
    for (const path of ["/discovery/v1/apis/taskqueue/v1beta2/rest", "/healthz"]) {
      const request = new Request(`https://queues.example.com${path}`, {
        headers: { origin: "https://a.example" },
      });
      expect((await handler(request)).status).toBe(200);
    }
  });

  test("createHandler() does not read the body of a caller that it does not let in", async () => {
    const { handler } = await openGuardedApi();
    const body = new ReadableStream({
      pull() {
        throw new Error("the body was read");
      },
    });
    const request = new Request(`${ORIGIN}/taskqueue/v1beta2/projects/${QUEUE}/tasks`, {
      method: "POST",
      body,
      duplex: "half",
    } as RequestInit);
    expect((await handler(request)).status).toBe(401);
  });

  test("createHandler() logs who called, and never a token", async () => {
    const lines: string[] = [];
    const log = createLog({
      level: "debug",
      format: "json",
      stream: { write: (line) => void lines.push(line) },
    });
    const { callAs, call, authentication, handler } = await openGuardedApi({ log });
    await callAs(USER, "GET", QUEUE);
    const token = authentication.tokenFor(WRITER);
    await call("GET", `${QUEUE}?access_token=${token}`);
    await call("GET", `${QUEUE}?access_token=${token}%ZZ`);
    await call("GET", `/nowhere?oauth_token=${token}`);
    await call("GET", `${QUEUE}?access_token=s3cret-${token}`);
    for (const head of [
      `GET ${QUEUE}?access_token=${token}`,
      `GET /a?access_token=${token} HTTP/9`,
      `GET /a HTTP/1.1\r\nAuthorization Bearer ${token}`,
      `GET /a HTTP/1.1\r\nAuthorization: Bearer \u0001${token}`,
    ]) {
      const part = `--b\r\nContent-Type: application/http\r\n\r\n${head}\r\n\r\n\r\n--b--`;
      const headers = { "content-type": "multipart/mixed; boundary=b" };
      const answer = await handler(new Request(`${ORIGIN}/batch`, { method: "POST", headers, body: part }));
      expect([answer.status, await answer.text()]).toEqual([
        400,
        expect.not.stringContaining(token.slice(0, 20)),
      ]);
    }
    expect(lines).toHaveLength(9);
    expect(lines[0]).toContain('"caller":"user@example.com"');
    expect(lines.join("")).not.toContain(token.slice(0, 20));
  });

  test("createHandler() lets nobody but an administrator bring queues into being", async () => {
    const { callAs } = await openGuardedApi();
    const insert = ["POST", "p/taskqueues/new/tasks", { payloadBase64: "eA==" }] as const;
    expect((await callAs(WRITER, ...insert)).status).toBe(403);
    expect((await callAs(ADMIN, "GET", "p/taskqueues/new")).status).toBe(404);
    expect((await callAs(ADMIN, ...insert)).status).toBe(200);
    expect((await callAs(WRITER, ...insert)).status).toBe(403);
  });

  test("createHandler() checks each queue of a lease and of a wait on several", async () => {
    const { callAs, store, clock } = await openGuardedApi();
    await store.putQueue({ project: "p", queue: "theirs" }, DEFAULT_QUEUE_SETTINGS);
    const both = "taskqueue=q&taskqueue=theirs";
    for (const path of [`p/taskqueues:lease?numTasks=1&leaseSecs=1&${both}`, `p/taskqueues:wait?${both}`]) {
      const answer = await callAs(USER, "POST", path);
      expect([answer.status, answer.json.error.message]).toEqual([403, expect.stringContaining('"theirs"')]);
    }
    await store.putQueue({ project: "p", queue: "theirs" }, withAcl(["user@example.com"]));
    clock.advance(1_000);
    expect((await callAs(USER, "POST", `p/taskqueues:lease?numTasks=1&leaseSecs=1&${both}`)).status).toBe(
      200,
    );
  });

  test("createHandler() shows the acl of a queue to administrators alone", async () => {
    const { callAs } = await openGuardedApi();
    expect((await callAs(ADMIN, "GET", QUEUE)).json.acl).toEqual({
      consumerEmails: ["user@example.com"],
      producerEmails: ["writer@example.com"],
    });
    const { json } = await callAs(USER, "GET", `${QUEUE}?getStats=true`);
    expect(json).toMatchObject({ id: "projects/s~p/taskqueues/q", stats: { totalTasks: 0 } });
    expect(json).not.toHaveProperty("acl");
  });

  test("createHandler() lists to a caller the queues that name it, with pages cut by what it sees", async () => {
    const { callAs, store } = await openGuardedApi();
    for (const queue of ["a", "b", "hidden", "z"]) {
      await store.putQueue(
        { project: "p", queue },
        queue === "hidden"
          ? withAcl([])
          : withAcl(queue === "b" ? [] : ["user@example.com"], ["user@example.com"]),
      );
    }
    const seen: unknown[] = [];
    let pageToken = "";
    do {
      const path = `p/taskqueues?getStats=true&maxResults=2${pageToken && `&pageToken=${pageToken}`}`;
      const { text } = await callAs(USER, "GET", path);
      const page = JSON.parse(text);
      seen.push(...page.items.map(({ id, stats, acl }: never) => [id, stats !== undefined, acl]));
      pageToken = page.nextPageToken ?? "";
      expect(Buffer.from(pageToken, "base64url").toString()).not.toContain("hidden");
    } while (pageToken !== "");
    expect(seen).toEqual(
      [
        ["a", true],
        ["b", false],
        ["q", true],
        ["z", true],
      ].map(([name, stats]) => [`projects/s~p/taskqueues/${name}`, stats, undefined]),
    );
    const all = JSON.parse((await callAs(ADMIN, "GET", "p/taskqueues")).text);
    expect(all.items).toHaveLength(5);
    const stranger = principal({ role: "user", email: "s@example.com" });
    expect(JSON.parse((await callAs(stranger, "GET", "p/taskqueues")).text)).not.toHaveProperty("items");
  });

  test("createHandler() ends a waiting lease for its own caller alone", async () => {
    const { callAs, store } = await openGuardedApi();
    await store.putQueue(KEY, withAcl(["user@example.com", "other@example.com"]));
    const waiting = callAs(USER, "POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=1&waitMs=50000&callId=c`);
    const cancel = "p/taskqueues:cancelLease?callId=c";
    const other = principal({ role: "user", email: "other@example.com" });
    expect((await callAs(other, "POST", cancel)).text).toContain('"cancelled": false');
    expect((await callAs(ADMIN, "POST", cancel)).text).toContain('"cancelled": false');
    expect((await callAs(USER, "POST", cancel)).text).toContain('"cancelled": true');
    expect((await waiting).status).toBe(200);
  });

  test("createHandler() compares addresses exactly but for the case of the domain", async () => {
    const { callAs, store } = await openGuardedApi();
    await store.putQueue(KEY, withAcl(["Al@Example.COM"]));
    expect((await callAs({ ...USER, email: "Al@exAMPLE.com" }, "GET", QUEUE)).status).toBe(200);
    expect((await callAs({ ...USER, email: "al@example.com" }, "GET", QUEUE)).status).toBe(403);
  });

  test("createHandler() sees a change of an acl through itself at once, and another's within a second", async () => {
    const { callAs, store, clock } = await openGuardedApi();
    let looks = 0;
    const getQueue = store.getQueue.bind(store);
    Object.defineProperty(store, "getQueue", {
      value: (queue: QueueKey) => {
        looks += 1;
        return getQueue(queue);
      },
    });
    const insert = async () =>
      (await callAs(USER, "POST", `${QUEUE}/tasks`, { payloadBase64: "eA==" })).status;
    expect([await insert(), await insert(), looks]).toEqual([403, 403, 1]);
    const acl = { acl: { producerEmails: ["user@example.com"] } };
    expect((await callAs(ADMIN, "PUT", QUEUE, acl)).status).toBe(200);
    expect(await insert()).toBe(200);
    await store.putQueue(KEY, withAcl([]));
    clock.advance(999);
    expect(await insert()).toBe(200);
    clock.advance(1);
    expect(await insert()).toBe(403);
  });
});

test("admitMonitor() lets in the role monitor, and administrators of all projects", async () => {
  const { store, clock, authentication } = await openGuardedApi();
  const access = new AccessControl({ authentication, store, clock });
  const admitted = async (caller = principal()) => {
    const headers = { authorization: `Bearer ${authentication.tokenFor(caller)}` };
    return access.admitMonitor(new Request(`${ORIGIN}/metrics`, { headers })).then(
      () => "let in",
      (error) => error.code,
    );
  };
  expect(await admitted(principal({ role: "monitor", scopes: [] }))).toBe("let in");
  expect(await admitted(principal())).toBe("let in");
  expect(await admitted(principal({ projects: ["p"] }))).toBe("permission_denied");
  expect(await admitted(principal({ role: "user" }))).toBe("permission_denied");
  await expect(access.admitMonitor(new Request(`${ORIGIN}/metrics`))).rejects.toMatchObject({
    code: "unauthenticated",
  });
  const open = new AccessControl({ authentication: undefined, store, clock });
  await open.admitMonitor(new Request(`${ORIGIN}/metrics`));
});
