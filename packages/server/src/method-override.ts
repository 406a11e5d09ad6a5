import type { ApiRequest } from "./api-request.js";
import { readBody } from "./body.js";
import type { BodyShare } from "./body-memory.js";
import { HEADER_BYTES_MAX } from "./limits.js";

/** Calls that are tunnelled through POST, as Google allows, because something on their way knows only GET and POST. */

const OVERRIDABLE = new Set(["GET", "PUT", "PATCH", "DELETE"]);

/** The method that is meant: that of X-HTTP-Method-Override on a POST, and GET for HEAD. */
export function methodOf(request: ApiRequest): string {
  if (request.method === "HEAD") return "GET";
  if (request.method !== "POST") return request.method;
  const override = request.headers.get("x-http-method-override")?.trim().toUpperCase();
  return override !== undefined && OVERRIDABLE.has(override) ? override : "POST";
}

/**
 * Whether a GET brings its query as a form in the body: so Google's Python client sends addresses of more than 2048
 * characters.
 */
export function isTunnelledForm(request: ApiRequest): boolean {
  return (
    request.method === "POST" &&
    methodOf(request) === "GET" &&
    /^application\/x-www-form-urlencoded\b/i.test(request.headers.get("content-type") ?? "")
  );
}

/** The query of a tunnelled form, behind that of the address. Throws `too_large` past what an address may have. */
export async function tunnelledSearch(
  request: ApiRequest,
  search: string,
  share: BodyShare,
): Promise<string> {
  const form = Buffer.from(await readBody(request, HEADER_BYTES_MAX, share)).toString("latin1");
  return search === "" ? form : `${search}&${form}`;
}
