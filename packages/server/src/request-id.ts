import { newRequestId } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";

/** The header that carries a request's id, both ways. */
export const REQUEST_ID_HEADER = "x-request-id";

/** Visible ASCII, at most 128 characters: an id that a log, a terminal and a header can hold. */
const SANE = /^[\x21-\x7e]{1,128}$/;

/** The id that the caller, or a proxy before us, gave the request; a new one when there is none or it is not sane. */
export function requestIdOf(headers: ApiRequest["headers"]): string {
  const given = headers.get(REQUEST_ID_HEADER);
  return given !== null && SANE.test(given) ? given : newRequestId();
}
