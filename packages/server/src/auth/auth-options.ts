import { boolean, expected, listOf, oneOf, type ServeOption, text } from "../option-readers.js";
import { TOKENS_FILE_DEFAULT } from "./own-tokens.js";

/** The options that say who may call and how that is proved: part of `SERVE_OPTIONS`. */

/** Ways for callers to prove who they are. */
const AUTH_MODES = ["tokens"] as const;

/** One of `AUTH_MODES`. */
export type AuthMode = (typeof AUTH_MODES)[number];

/** The table. */
export const AUTH_OPTIONS = {
  auth: {
    flag: "--auth",
    value: "modes",
    variable: "PULLQUEUE_AUTH",
    description: `how callers prove who they are: none, or some of ${AUTH_MODES.join(", ")} with commas between them`,
    default: "none",
    read: readModes,
  } as ServeOption<"none" | readonly AuthMode[]>,
  tokensFile: {
    flag: "--tokens-file",
    value: "file",
    variable: "PULLQUEUE_TOKENS_FILE",
    description: "--auth tokens: where pullqueue token create keeps the hashes of its tokens",
    default: TOKENS_FILE_DEFAULT,
    read: text,
  },
  tokensInQuery: {
    flag: "--tokens-in-query",
    value: "true|false",
    variable: "PULLQUEUE_TOKENS_IN_QUERY",
    description: "whether access_token and oauth_token in the query count, as with Google's APIs",
    default: true,
    read: boolean,
  } as ServeOption<boolean>,
  tlsCert: {
    flag: "--tls-cert",
    value: "file",
    variable: "PULLQUEUE_TLS_CERT",
    description:
      "a certificate with its chain, in PEM: the server speaks TLS, and only that; read again on SIGHUP",
    default: undefined,
    read: text,
  } as ServeOption<string | undefined>,
  tlsKey: {
    flag: "--tls-key",
    value: "file",
    variable: "PULLQUEUE_TLS_KEY",
    description: "the private key of --tls-cert, in PEM",
    default: undefined,
    read: text,
  } as ServeOption<string | undefined>,
  tlsTerminatedByProxy: {
    flag: "--tls-terminated-by-proxy",
    value: "true|false",
    variable: "PULLQUEUE_TLS_TERMINATED_BY_PROXY",
    description: "true: a proxy in front speaks TLS, so tokens may come here over plain HTTP",
    default: false,
    read: boolean,
  } as ServeOption<boolean>,
} as const satisfies Record<string, ServeOption<unknown>>;

function readModes(given: unknown): "none" | readonly AuthMode[] {
  if (given === "none") return "none";
  const modes = listOf(oneOf(AUTH_MODES))(given);
  if (new Set(modes).size === modes.length) return modes;
  throw expected("each mode once", given);
}
