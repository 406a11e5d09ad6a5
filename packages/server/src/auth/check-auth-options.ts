import type { Complaints } from "../complaints.js";
import { SERVE_OPTIONS, type ServeOptionName, type ServerConfig } from "../config-options.js";
import type { ServeOption } from "../option-readers.js";
import type { AuthMode } from "./auth-options.js";

/** What options mean together: whether callers are asked at all, and whether what they send may be overheard. */

/** Options that mean something to some modes only. */
const MODES_OF: Partial<Record<ServeOptionName, readonly AuthMode[]>> = {
  tokensFile: ["tokens"],
  admins: ["google", "jwt", "tokeninfo", "introspection"],
  clockToleranceMs: ["google", "jwt", "service-accounts"],
  jwtIssuer: ["jwt"],
  jwtAudience: ["jwt"],
  jwtJwksUrl: ["jwt"],
  jwtJwksFile: ["jwt"],
  jwtAlgorithms: ["jwt"],
  jwtScopes: ["jwt"],
  googleAudience: ["google"],
  serviceAccounts: ["service-accounts"],
  introspectionUrl: ["introspection"],
  introspectionClientFile: ["introspection"],
  introspectionClientId: ["introspection"],
  introspectionClientSecret: ["introspection"],
  introspectionAudience: ["introspection"],
  tokeninfoUrl: ["tokeninfo"],
  tokeninfoAudience: ["tokeninfo"],
  emailClaim: ["jwt", "introspection"],
  scopeClaim: ["jwt", "introspection"],
  roleClaim: ["jwt", "introspection"],
  projectsClaim: ["jwt", "introspection"],
};

/** What each mode needs: one option of each line. */
const NEEDED_BY: Readonly<Record<AuthMode, readonly (readonly ServeOptionName[])[]>> = {
  tokens: [],
  "service-accounts": [["serviceAccounts"], ["publicUrl"]],
  google: [["googleAudience", "publicUrl"]],
  jwt: [["jwtIssuer"], ["jwtAudience"], ["jwtJwksUrl", "jwtJwksFile"]],
  tokeninfo: [["tokeninfoAudience"]],
  introspection: [["introspectionUrl"], ["introspectionClientFile", "introspectionClientId"]],
};

/** Options of which one says what the other does. */
const ALTERNATIVES: readonly (readonly [ServeOptionName, ServeOptionName])[] = [
  ["jwtJwksUrl", "jwtJwksFile"],
  ["introspectionClientFile", "introspectionClientId"],
  ["tlsCert", "tlsTerminatedByProxy"],
];

/** Options of which none goes without the other. */
const PAIRS: readonly (readonly [ServeOptionName, ServeOptionName])[] = [
  ["tlsCert", "tlsKey"],
  ["introspectionClientId", "introspectionClientSecret"],
];

/** What is known when some options could not be read. */
type Known = { readonly [Name in ServeOptionName]?: ServerConfig[Name] | undefined };

const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/;

/** Notes every complaint about options that do not go together. `given` are those that somebody set. */
export function checkAuthOptions(
  config: Known,
  given: ReadonlySet<ServeOptionName>,
  complaints: Complaints,
): void {
  const { auth } = config;
  // Not readable, and complained of already.
  if (auth === undefined) return;
  const modes = auth === "none" ? [] : auth;
  for (const name of given) {
    const needed = MODES_OF[name];
    if (needed === undefined || needed.some((mode) => modes.includes(mode))) continue;
    complaints.add(
      `${called(name)}: belongs to --auth ${needed.join(" or ")}, and --auth is ${String(auth)}`,
    );
  }
  if (auth === "none" && given.has("tokensInQuery")) {
    complaints.add(`${called("tokensInQuery")}: belongs to --auth, and nobody is asked for a token`);
  }
  for (const mode of modes) {
    for (const needed of NEEDED_BY[mode]) {
      if (needed.some((name) => given.has(name))) continue;
      complaints.add(`--auth ${mode} needs ${needed.map(called).join(" or ")}`);
    }
  }
  checkTogether(given, complaints);
  checkHost(config, given, complaints);
}

function checkTogether(given: ReadonlySet<ServeOptionName>, complaints: Complaints): void {
  for (const [one, other] of ALTERNATIVES) {
    if (given.has(one) && given.has(other))
      complaints.add(`${called(one)}: not together with ${called(other)}`);
  }
  for (const pair of PAIRS) {
    const [there, missing] = given.has(pair[0]) ? pair : [pair[1], pair[0]];
    if (given.has(there) && !given.has(missing))
      complaints.add(`${called(there)}: needs ${called(missing)} as well`);
  }
}

function checkHost(config: Known, given: ReadonlySet<ServeOptionName>, complaints: Complaints): void {
  const { host, auth } = config;
  if (host === undefined || LOOPBACK.test(host)) return;
  const address = JSON.stringify(host);
  if (auth === "none") {
    complaints.add(
      `${called("host")}: on ${address} others can reach this server, and it does not ask who is calling. Ways to go on: ` +
        "(1) listen on 127.0.0.1, and reach it through an SSH tunnel (ssh -L 8085:127.0.0.1:8085 HOST) or a proxy that checks callers; " +
        "(2) make a token (pullqueue token create --email you@example.com --role admin), and start with --auth tokens --tls-cert FILE --tls-key FILE; " +
        "(3) take the tokens of a sign-in service that is there already: --auth google, jwt or introspection",
    );
    return;
  }
  if (given.has("tlsCert") || config.tlsTerminatedByProxy === true) return;
  complaints.add(
    `${called("host")}: on ${address} tokens would travel in the clear. Give --tls-cert FILE and --tls-key FILE, or, where a proxy in front speaks TLS and the way from it is safe, --tls-terminated-by-proxy true`,
  );
}

/** An option by all its names. */
function called(name: ServeOptionName): string {
  const { flag, variable, secret }: ServeOption<unknown> = SERVE_OPTIONS[name];
  return secret === true
    ? `${variable} (or ${name} in the file)`
    : `${flag} (${variable}, or ${name} in the file)`;
}
