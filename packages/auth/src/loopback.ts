/** This machine's own addresses and name. What ends with `.localhost` should be (RFC 6761), but resolvers ask the network for it. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether secrets may travel there: over TLS, or without leaving this machine. */
export function isConfidential(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}
