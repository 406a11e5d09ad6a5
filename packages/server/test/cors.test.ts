import { expect, test } from "vitest";
import { createHandler, type HandlerOptions } from "../src/handler.js";
import { ORIGIN, openApi, QUEUE } from "./support.js";

const PAGE = "https://pages.example.com";
const URL_OF_QUEUE = `${ORIGIN}/taskqueue/v1beta2/projects/${QUEUE}`;

function request(origin: string | undefined, init: RequestInit = {}): Request {
  return new Request(URL_OF_QUEUE, {
    ...init,
    headers: { ...init.headers, ...(origin === undefined ? {} : { origin }) },
  });
}

const PREFLIGHT = {
  method: "OPTIONS",
  headers: {
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization,x-http-method-override",
  },
};

/** The headers of CORS in an answer. */
function allowed({ headers }: Response): Readonly<Record<string, string>> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-")));
}

test("withCors() lets a page of a listed origin read answers, errors too, and see three headers", async () => {
  const { handler } = openApi({ corsOrigins: ["https://other.example", PAGE] });
  const response = await handler(request(PAGE));
  expect(response.status).toBe(404);
  expect(allowed(response)).toEqual({
    "access-control-allow-origin": PAGE,
    "access-control-expose-headers": "x-request-id,retry-after,www-authenticate",
  });
  expect(response.headers.get("vary")).toMatch(/origin/i);
});

test("withCors() answers the preflight of a listed origin, and never allows credentials", async () => {
  const { handler } = openApi({ corsOrigins: [PAGE] });
  const response = await handler(request(PAGE, PREFLIGHT));
  expect(response.status).toBe(204);
  expect(allowed(response)).toMatchObject({
    "access-control-allow-origin": PAGE,
    "access-control-allow-methods": "GET,HEAD,POST,PUT,PATCH,DELETE",
    "access-control-allow-headers": "authorization,x-http-method-override",
    "access-control-max-age": "600",
  });
  expect(response.headers.has("access-control-allow-credentials")).toBe(false);
});

test.each([
  "https://pages.example.com.evil.example",
  "http://pages.example.com",
  "https://pages.example.com:444",
  "null",
])("withCors() lets no page of another origin in, %s", async (origin) => {
  const { handler } = openApi({ corsOrigins: [PAGE] });
  expect((await handler(request(origin))).status).toBe(403);
  const preflight = await handler(request(origin, PREFLIGHT));
  for (const response of [await handler(request(origin)), preflight]) {
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
  }
});

test("without origins pages are refused, preflights too, and programs are told nothing of origins", async () => {
  const { handler } = openApi();
  for (const init of [PREFLIGHT, {}]) {
    const response = await handler(request(PAGE, init));
    expect([response.status, allowed(response)]).toEqual([403, {}]);
  }
  expect((await handler(request(undefined))).headers.get("vary")).toBe("accept-encoding");
});

test("withCors() does not take a name that leads here for one of ours", async () => {
  const { handler } = openApi({ corsOrigins: [PAGE] });
  const response = await handler(new Request("http://evil.example/healthz", { headers: { origin: PAGE } }));
  expect(response.status).toBe(403);
});

test("a program that brings no origin is served as ever, and caches learn that origins matter", async () => {
  const { handler, insert } = openApi({ corsOrigins: [PAGE] });
  await insert();
  const response = await handler(request(undefined));
  expect(response.status).toBe(200);
  expect(response.headers.get("vary")).toMatch(/^accept-encoding, Origin$/i);
});

test("* without authentication is refused, with it every page may ask", async () => {
  const { store } = openApi();
  const options: HandlerOptions = { store, corsOrigins: ["*"] };
  expect(() => createHandler(options)).toThrow(/--cors-origins .* which does not ask who is calling/);
  const authentication = { verifiers: [], tokensInQuery: false };
  const response = await createHandler({ ...options, authentication })(request("null"));
  expect(response.status).toBe(401);
  expect(allowed(response)).toMatchObject({ "access-control-allow-origin": "*" });
});
