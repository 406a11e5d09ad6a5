import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import type { QueueError } from "../../src/errors.js";
import { handlerClient } from "../../src/handler-client.js";
import type { TokenQuery, TokenSource } from "../../src/http-client.js";
import { openHttpStore } from "../../src/stores/http.js";

const QUEUE = { project: "p", queue: "q" };

/** A server in process that takes these tokens and knows one queue; it remembers how it was asked. */
function serverTaking(...tokens: readonly string[]) {
  const asked: string[] = [];
  const handler = async (request: Request) => {
    const authorization = request.headers.get("authorization") ?? "none";
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/discovery")) return new Response("", { status: 404 });
    asked.push(`${pathname} ${authorization}`);
    if (!tokens.includes(authorization.replace("Bearer ", ""))) return new Response("", { status: 401 });
    return Response.json({ kind: "taskqueues#taskqueue", id: "projects/s~p/taskqueues/q" });
  };
  return { asked, client: handlerClient(handler) };
}

/** Gives these tokens, one after the other whenever one is rejected. */
function tokensOf(...tokens: readonly string[]) {
  const rejected: string[] = [];
  const source: TokenSource = {
    async getAccessToken(options) {
      if (options.rejected !== undefined) rejected.push(options.rejected);
      return tokens[Math.min(rejected.length, tokens.length - 1)]!;
    },
  };
  return { rejected, source };
}

/** As `packages/auth` throws it; this package knows it by its shape. */
function authError(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: "AuthError", code });
}

describe("openHttpStore() with tokens", () => {
  test("getQueue() sends the token to the prefixed project", async () => {
    const { asked, client } = serverTaking("good");
    await using store = openHttpStore({ client, tokens: tokensOf("good").source });
    expect(await store.getQueue(QUEUE)).toMatchObject({ key: QUEUE });
    expect(asked).toEqual(["/taskqueue/v1beta2/projects/s~p/taskqueues/q Bearer good"]);
  });

  test("getQueue() asks for another token, once, when one is refused, and says which was", async () => {
    const { asked, client } = serverTaking("fresh");
    const { rejected, source } = tokensOf("stale", "fresh");
    await using store = openHttpStore({ client, tokens: source, projectPrefix: "" });
    await store.getQueue(QUEUE);
    expect(rejected).toEqual(["stale"]);
    expect(asked).toEqual([
      "/taskqueue/v1beta2/projects/p/taskqueues/q Bearer stale",
      "/taskqueue/v1beta2/projects/p/taskqueues/q Bearer fresh",
    ]);
  });

  test("getQueue() rejects with unauthenticated when what it gets is no token, and quotes nothing of it", async () => {
    for (const token of ["two\r\nlines", "", "späße", null, 5]) {
      const { asked, client } = serverTaking();
      const source = { getAccessToken: async () => token } as unknown as TokenSource;
      await using store = openHttpStore({ client, tokens: source });
      const error = await store.getQueue(QUEUE).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "unauthenticated" });
      expect(String(error)).not.toMatch(/two|späße/);
      expect(asked).toEqual([]);
    }
  });

  test.each(["my/secret+token=", "a-secret.token"])(
    "getQueue() does not say the token %s that a server repeats",
    async (token) => {
      const spelled = JSON.stringify({ error: { code: 403, message: `the token ${token} may not` } });
      for (const body of [spelled, spelled.replaceAll("/", "\\/")]) {
        const client = handlerClient(async () => new Response(body, { status: 403 }));
        await using store = openHttpStore({ client, tokens: tokensOf(token).source });
        await expect(store.getQueue(QUEUE)).rejects.toMatchObject({
          code: "permission_denied",
          message: "the token … may not",
        });
      }
    },
  );

  test("getQueue() rejects with timeout when no token comes, and close() does not wait for it for ever", async () => {
    const { client } = serverTaking();
    const clock = manualClock();
    const asked: (AbortSignal | undefined)[] = [];
    const source: TokenSource = {
      getAccessToken({ signal }) {
        asked.push(signal);
        return new Promise<string>(() => {});
      },
    };
    const store = openHttpStore({ client, clock, tokens: source, timeoutMs: 1000, deadlineMs: 1000 });
    const rejected = expect(store.getQueue(QUEUE)).rejects.toMatchObject({ code: "timeout" });
    await expect.poll(() => asked.length).toBe(1);
    const closed = store.close();
    clock.advance(1000);
    await rejected;
    await closed;
    expect(asked.map((signal) => signal?.aborted)).toEqual([true]);
  });

  test("getQueue() rejects with unauthenticated when the next token is refused too, or is the same", async () => {
    for (const tokens of [["one", "two", "three"], ["one"]]) {
      const { asked, client } = serverTaking("none of them");
      await using store = openHttpStore({ client, tokens: tokensOf(...tokens).source });
      await expect(store.getQueue(QUEUE)).rejects.toMatchObject({ code: "unauthenticated" });
      expect(asked.length).toBe(Math.min(2, tokens.length));
    }
  });

  test("getQueue() rejects with unauthenticated when there is no token, and keeps the cause", async () => {
    const cause = new Error("not signed in");
    const { client } = serverTaking("good");
    const tokens = { getAccessToken: () => Promise.reject(cause) };
    await using store = openHttpStore({ client, tokens });
    await expect(store.getQueue(QUEUE)).rejects.toMatchObject({ code: "unauthenticated", cause });
  });

  test("getQueue() is sent without a token while the source gives none, and once more when the server demands one", async () => {
    const { asked, client } = serverTaking("good");
    const queries: Omit<TokenQuery, "signal">[] = [];
    const tokens: TokenSource = {
      async getAccessToken({ signal, ...query }) {
        expect(signal).toBeInstanceOf(AbortSignal);
        queries.push(query);
        return query.demanded === true ? "good" : undefined;
      },
    };
    await using store = openHttpStore({ client, tokens });
    expect(await store.getQueue(QUEUE)).toMatchObject({ key: QUEUE });
    expect(asked.map((line) => line.split("queues/q ")[1])).toEqual(["none", "Bearer good"]);
    // The first was about the discovery document, which needs none.
    expect(queries).toEqual([{}, {}, { demanded: true }]);
  });

  test("getQueue() rejects with what the server said when it demands a token and the source has none", async () => {
    const { asked, client } = serverTaking("good");
    await using store = openHttpStore({ client, tokens: { getAccessToken: async () => undefined } });
    const error: unknown = await store.getQueue(QUEUE).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "unauthenticated", message: expect.stringContaining("401") });
    expect(asked).toHaveLength(1);
  });

  test("getQueue() rejects with the words of an AuthError, which say what to do", async () => {
    for (const code of ["invalid_file", "sign_in_needed", "closed"]) {
      const { client } = serverTaking("good");
      const cause = authError(code, "sign in with pullqueue auth login");
      await using store = openHttpStore({ client, tokens: { getAccessToken: () => Promise.reject(cause) } });
      await expect(store.getQueue(QUEUE)).rejects.toMatchObject({
        ...{ code: "unauthenticated", message: cause.message, cause },
      });
    }
  });

  test.each(["unavailable", "timeout"])(
    "getQueue() asks again after an AuthError %s, and rejects with it when that does not pass",
    async (code) => {
      const { asked, client } = serverTaking("good");
      const cause = authError(code, "the token endpoint is away");
      let failures = 2;
      const tokens: TokenSource = {
        getAccessToken: () => (failures-- > 0 ? Promise.reject(cause) : Promise.resolve("good")),
      };
      const retried: string[] = [];
      const onRetry = (error: QueueError) => void retried.push(error.code);
      await using store = openHttpStore({ client, tokens, onRetry });
      await store.getQueue(QUEUE);
      expect(retried).toEqual([code, code]);
      expect(asked).toHaveLength(1);
      failures = Number.POSITIVE_INFINITY;
      await using other = openHttpStore({ client, tokens, deadlineMs: 1 });
      await expect(other.getQueue(QUEUE)).rejects.toMatchObject({ code, message: cause.message, cause });
    },
  );

  test("lease() is repeated after a token could not be had, because nothing was done", async () => {
    const posted: string[] = [];
    const client = handlerClient(async (request) => {
      if (request.method !== "POST") return new Response("", { status: 404 });
      const authorization = request.headers.get("authorization") ?? "none";
      posted.push(authorization);
      if (authorization !== "Bearer good") return new Response("", { status: 401 });
      return Response.json({ items: [] });
    });
    // The first is for the discovery document.
    const answers = ["stale", "stale", authError("unavailable", "away"), "good"];
    const tokens: TokenSource = {
      async getAccessToken() {
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    await using store = openHttpStore({ client, tokens });
    await store.lease([QUEUE], { leaseMs: 60_000, maxTasks: 1 });
    expect(posted).toEqual(["Bearer stale", "Bearer good"]);
  });

  test("close() leaves the token source to whoever made it", async () => {
    let closed = 0;
    const tokens = { getAccessToken: async () => "good", close: async () => void closed++ };
    await openHttpStore({ client: serverTaking("good").client, tokens }).close();
    expect(closed).toBe(0);
  });

  test.each(["http://queues.example.com", "http://10.0.0.1:8085", "http://127.0.0.1.example.com"])(
    "openHttpStore() refuses to send tokens in the clear to %s",
    (endpoint) => {
      expect(() => openHttpStore({ endpoint, tokens: tokensOf("secret").source })).toThrow(
        /access tokens are sent over https or to this machine alone/,
      );
    },
  );

  test.each(["https://queues.example.com", "http://localhost:8085", "http://127.9.9.9", "http://[::1]:8085"])(
    "openHttpStore() sends tokens to %s",
    async (endpoint) => {
      await openHttpStore({ endpoint, tokens: tokensOf("secret").source }).close();
    },
  );
});

describe("openHttpStore() with wrong options", () => {
  test.each([
    [{}, "endpoint"],
    [{ endpoint: "127.0.0.1:8085" }, "endpoint"],
    [{ endpoint: "http://h", timeoutMs: 0 }, "timeoutMs"],
    [{ endpoint: "http://h", deadlineMs: Number.NaN }, "deadlineMs"],
    [{ endpoint: "http://h", pollingIntervalMs: -1 }, "pollingIntervalMs"],
    [{ endpoint: "http://h", projectPrefix: "s" }, "projectPrefix"],
  ])("openHttpStore(%j) is refused", (options, location) => {
    expect(() => openHttpStore(options)).toThrow(
      expect.objectContaining({ code: "invalid_argument", location }),
    );
  });
});

describe("openHttpStore() on what is no server of the API", () => {
  test.each([
    ["a website", () => new Response("<html>", { status: 200 })],
    ["other JSON", () => Response.json({ hello: "world" })],
    ["an empty answer", () => new Response(null, { status: 204 })],
  ])("ready() rejects with unavailable when it meets %s", async (_, respond) => {
    const client = handlerClient(async () => respond());
    await using store = openHttpStore({ client, deadlineMs: 50, timeoutMs: 20 });
    await expect(store.ready()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("not one of a pull-queue server"),
    });
  });

  test("supports is what every server can until the server was asked", async () => {
    const client = handlerClient(async () => new Response("", { status: 404 }));
    await using store = openHttpStore({ client });
    expect(store.supports).toMatchObject({ name: "http", fences: false, managesQueues: false });
    expect(await store.ready()).toEqual(store.supports);
  });
});
