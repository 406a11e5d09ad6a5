import { QueueError } from "./errors.js";

/** Where a server is. */
export interface Endpoint {
  /** Scheme, host and port: `https://queues.example.com`. */
  readonly origin: string;
  /** What stands before every path, without a slash at its end; mostly empty. */
  readonly basePath: string;
  /** Whether credentials may travel there: over TLS, or without leaving this machine. */
  readonly confidential: boolean;
}

/** Name and addresses of this machine. What ends with `.localhost` should be (RFC 6761), but resolvers ask the network for it. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Takes an address apart. Throws `invalid_argument` unless it is a plain http or https URL. */
export function parseEndpoint(text: string): Endpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw invalid(`an endpoint is a URL such as http://127.0.0.1:8085, got ${JSON.stringify(text)}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid("an endpoint carries no user or password; give credentials as a token source");
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalid(
      `an endpoint ends with its path, without ? and #; got ${url.origin}${url.pathname} and more`,
    );
  }
  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ""),
    confidential: url.protocol === "https:" || isLoopback(url.hostname),
  };
}

/** Whether a URL's host is this machine. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

function invalid(message: string): QueueError {
  return new QueueError("invalid_argument", message, { location: "endpoint" });
}
