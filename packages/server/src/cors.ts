import { QueueError } from "@pullqueue/core";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { CORS_MAX_AGE_SECONDS } from "./limits.js";

/** What web pages of other origins may do (CORS), when the configuration names their origins. */

type Serve = (request: Request) => Promise<Response>;

const EVERY_ORIGIN = "*";

/** What a page's program may see of an answer, beside its body. */
const EXPOSED_HEADERS = ["x-request-id", "retry-after", "www-authenticate"];

/**
 * Throws `invalid_argument` when any page could do anything: every origin is let in, and nobody is asked who they are.
 */
export function checkOrigins(origins: readonly string[], authentication: object | undefined): void {
  if (!origins.includes(EVERY_ORIGIN) || authentication !== undefined) return;
  throw new QueueError(
    "invalid_argument",
    "--cors-origins (PULLQUEUE_CORS_ORIGINS): * would let every web page use this server, which does not ask who is calling: list the origins of your pages, or turn authentication on",
  );
}

/**
 * Answers preflights, and lets pages of these origins read answers; what other pages may do is the page guard's matter.
 * Credentials of the browser (cookies) are never asked for: a page brings its token by itself.
 */
export function withCors(origins: readonly string[], serve: Serve): Serve {
  const app = new Hono();
  app.use(
    cors({
      origin: origins.includes(EVERY_ORIGIN) ? EVERY_ORIGIN : [...origins],
      allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
      exposeHeaders: EXPOSED_HEADERS,
      maxAge: CORS_MAX_AGE_SECONDS,
    }),
  );
  app.all("*", (c) => serve(c.req.raw));
  return async (request) => await app.fetch(request);
}
