/** This machine's own addresses and names (RFC 6761 keeps `localhost` and what ends with it on this machine). */
const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether secrets may travel there: over TLS, or without leaving this machine. */
export function isConfidential(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}
