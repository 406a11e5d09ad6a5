import { QueueError } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";

/** Names that no web page can have: addresses, names without a dot, and those that always mean this machine. */
const LOCAL = /^(?:\[.*\]|[^.]*|\d+(?:\.\d+){3}|[^.]+\.localhost)(?::\d*)?$/;

/**
 * Refuses the requests of web pages. Without this, any page open on this machine could use a server that trusts whoever
 * reaches it. A browser says on whose behalf it writes (`Origin`); a page whose own name has been made to lead here reads
 * without saying so, but under its name (`Host`). Behind a proxy that keeps the name, `publicUrl` has it.
 * Pages of `allowedOrigins` are let in, under the server's own names.
 */
export function pageGuard(
  publicUrl: string | undefined,
  allowedOrigins: readonly string[],
): (request: ApiRequest) => void {
  const publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host;
  return (request) => {
    const origin = request.headers.get("origin");
    if (origin !== null && !allowedOrigins.includes(origin)) {
      throw refused(
        `requests of web pages are refused, and this one comes from ${origin.slice(0, 100)}; call the server from a program, or allow the origin with --cors-origins (PULLQUEUE_CORS_ORIGINS)`,
        "Origin",
      );
    }
    const host = hostOf(request.url);
    if (LOCAL.test(host) || host === publicHost) return;
    throw refused(
      `this server does not answer by the name ${host.slice(0, 100)}: call it by its address, or, behind a proxy, tell it its name with --public-url (PULLQUEUE_PUBLIC_URL)`,
      "Host",
    );
  };
}

/** The host and port of an absolute URL, by hand: this is on the way of every request. */
function hostOf(url: string): string {
  const start = url.indexOf("://") + 3;
  return url.slice(start, url.indexOf("/", start));
}

function refused(message: string, location: string): QueueError {
  return new QueueError("permission_denied", message, { location });
}
