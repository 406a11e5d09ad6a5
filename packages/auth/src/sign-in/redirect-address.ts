import { AuthError } from "../errors.js";

/** Where a browser is led back to: an address of this machine, as far as a client's registration fixes it. */
export interface RedirectAddress {
  readonly host: "127.0.0.1" | "[::1]" | "localhost";
  /** 0 is any free one. */
  readonly port: number;
  /** What follows the port, spelled as it is registered: nothing, or a path. */
  readonly path: string;
}

const LOOPBACK_URI = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?(\/[^?#]*)?$/i;

/** The redirect of the flow that copied a code out of the browser; clients that were registered for it may use a loopback address. */
const OUT_OF_BAND = /^urn:ietf:wg:oauth:2\.0:oob(?::auto)?$/;

/** What Google and RFC 8252, 7.3 recommend. */
const UNREGISTERED: RedirectAddress = { host: "127.0.0.1", port: 0, path: "" };

/**
 * The addresses to try, in this order. Providers compare host and path with what is registered, so these are kept as they are; the port
 * may be any (RFC 8252, 7.3), but where all that is registered names one, many providers insist on it, and it is used. `port` is what the
 * caller wants, 0 or undefined for any. `invalid_file` where the client cannot be led back here at all.
 */
export function redirectAddresses(
  registered: readonly string[],
  port: number | undefined,
  file: string,
): readonly RedirectAddress[] {
  const loopback = registered.flatMap(loopbackAddress);
  if (loopback.length === 0 && registered.some((uri) => !OUT_OF_BAND.test(uri))) {
    throw new AuthError(
      "invalid_file",
      `${file}: none of the client's redirect_uris leads to this machine. Register http://127.0.0.1 for it, or make a client of the kind "Desktop app"`,
    );
  }
  const known = loopback.length === 0 ? [UNREGISTERED] : loopback;
  const free = known.filter((address) => address.port === 0);
  if (port === undefined || port === 0) return free.length > 0 ? free.slice(0, 1) : known;
  const exact = known.find((address) => address.port === port);
  return [{ ...(exact ?? free[0] ?? known[0] ?? UNREGISTERED), port }];
}

/** The address as it is sent to the provider. */
export function redirectUri({ host, port, path }: RedirectAddress): string {
  return `http://${host}:${port}${path}`;
}

function loopbackAddress(uri: string): RedirectAddress[] {
  const [, host, port, path = ""] = LOOPBACK_URI.exec(uri) ?? [];
  if (host === undefined) return [];
  // 80 is what an address without a port says.
  const fixed = port === undefined || Number(port) === 80 ? 0 : Number(port);
  if (fixed > 65_535) return [];
  return [{ host: host.toLowerCase() as RedirectAddress["host"], port: fixed, path }];
}
