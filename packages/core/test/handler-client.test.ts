import { describe, expect, test } from "vitest";
import { manualClock } from "../src/clock.js";
import { handlerClient } from "../src/handler-client.js";

const GET = { method: "GET", path: "/x?y=1", timeoutMs: 5_000 };

/** Answers only when its request is aborted, as a waiting lease. */
function waitingHandler(request: Request): Promise<Response> {
  return new Promise((resolve) => {
    request.signal.addEventListener("abort", () => resolve(new Response(null, { status: 299 })));
  });
}

describe("handlerClient()", () => {
  test("send() carries the request there and the answer back", async () => {
    const client = handlerClient(async (request) => {
      const { pathname, search } = new URL(request.url);
      const body = `${request.method} ${pathname}${search} ${request.headers.get("x-ask")} ${await request.text()}`;
      return new Response(body, { status: 207, headers: { "X-Kind": "a" } });
    });
    const answer = await client.send({ ...GET, method: "POST", headers: { "X-Ask": "q" }, body: "é" });
    expect(answer).toMatchObject({ status: 207, headers: { "x-kind": "a" } });
    expect(Buffer.from(answer.body).toString()).toBe("POST /x?y=1 q é");
  });

  test("send() rejects with the abort's reason itself and tells the handler", async () => {
    const reason = { not: "an error" };
    const client = handlerClient(waitingHandler);
    await expect(client.send({ ...GET, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const call = expect(client.send({ ...GET, signal: controller.signal })).rejects.toBe(reason);
    controller.abort(reason);
    await call;
  });

  test("send() rejects with timeout when time is up", async () => {
    const clock = manualClock();
    const client = handlerClient(waitingHandler, { clock });
    const call = expect(client.send(GET)).rejects.toMatchObject({ code: "timeout" });
    await Promise.resolve();
    clock.advance(5_000);
    await call;
  });

  test("send() refuses after close()", async () => {
    const client = handlerClient(async () => new Response());
    await client.close();
    await expect(client.send(GET)).rejects.toMatchObject({ code: "closed" });
  });
});
