import { QueueError } from "@pullqueue/core";
import type { GlobalOptions, Terminal } from "./command.js";

/** Which of the places that can say a command's token does. A token is never an option: others can read a command line. */

/** Where a token, or what makes one, stands. `name` is the option or the variable that says so. */
export type TokenPlace =
  | { readonly kind: "credentials"; readonly name: string; readonly path: string }
  | { readonly kind: "tokenFile"; readonly name: string; readonly path: string }
  | { readonly kind: "token"; readonly name: string; readonly token: string };

/** What is sent, and for whom. */
export interface TokenChoice {
  /** Undefined: application default credentials, where they are looked for. */
  readonly place: TokenPlace | undefined;
  readonly audience: string | undefined;
}

/** What options, or else the environment, say. Error: `invalid_argument` for two places, and for an audience that a ready token cannot have. */
export function tokenChoice(options: GlobalOptions, env: Terminal["env"]): TokenChoice {
  const fromOptions = onlyOne([
    ["--credentials", options.credentials, credentialsAt],
    ["--token-file", options.tokenFile, tokenFileAt],
  ]);
  const place =
    fromOptions ??
    onlyOne([
      ["PULLQUEUE_CREDENTIALS", env.PULLQUEUE_CREDENTIALS, credentialsAt],
      ["PULLQUEUE_TOKEN_FILE", env.PULLQUEUE_TOKEN_FILE, tokenFileAt],
      ["PULLQUEUE_TOKEN", env.PULLQUEUE_TOKEN, tokenIn],
      ["PULLQUEUE_ACCESS_TOKEN", env.PULLQUEUE_ACCESS_TOKEN, tokenIn],
    ]);
  const isReady = place !== undefined && place.kind !== "credentials";
  if (options.audience !== undefined) {
    if (isReady) throw contrary("--audience", place);
    return { place, audience: options.audience };
  }
  const audience = env.PULLQUEUE_AUDIENCE || undefined;
  // An option goes before any variable, also one that says something else.
  if (!isReady || fromOptions !== undefined) return { place, audience: isReady ? undefined : audience };
  if (audience !== undefined) throw contrary("PULLQUEUE_AUDIENCE", place);
  return { place, audience: undefined };
}

type Candidate = readonly [
  name: string,
  given: string | undefined,
  at: (name: string, given: string) => TokenPlace,
];

function onlyOne(candidates: readonly Candidate[]): TokenPlace | undefined {
  // An empty variable is one that is not set, as in files of service managers.
  const [first, second] = candidates.flatMap(([name, given, at]) =>
    given === undefined || given === "" ? [] : [at(name, given)],
  );
  if (second === undefined) return first;
  throw new QueueError(
    "invalid_argument",
    `${first?.name} and ${second.name} both say which token to send; give one`,
  );
}

function credentialsAt(name: string, path: string): TokenPlace {
  return { kind: "credentials", name, path };
}

function tokenFileAt(name: string, path: string): TokenPlace {
  return { kind: "tokenFile", name, path };
}

function tokenIn(name: string, token: string): TokenPlace {
  return { kind: "token", name, token };
}

function contrary(audience: string, { name }: TokenPlace): QueueError {
  return new QueueError(
    "invalid_argument",
    `${audience} is for credentials, and ${name} says the token itself; leave one out`,
  );
}
