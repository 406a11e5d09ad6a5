import { createPublicKey, type KeyObject } from "node:crypto";
import { dirname, resolve } from "node:path";
import { type Clock, parseProject, QueueError } from "@pullqueue/core";
import type { JWTPayload } from "jose";
import { parse } from "yaml";
import { Complaints } from "../complaints.js";
import { readTextFile } from "../config.js";
import { isEmail } from "../email.js";
import { SERVICE_ACCOUNT_TOKEN_MS } from "../limits.js";
import type { Log } from "../log.js";
import type { TokenVerifier } from "./authenticate.js";
import { invalidCredentials } from "./bearer.js";
import { scopesOf } from "./claims.js";
import { verifyJwt } from "./jwt.js";
import { type Principal, ROLES, type Role } from "./principal.js";
import { FULL_SCOPE } from "./scopes.js";
import type { TokenShape } from "./token-shape.js";
import { VerifiedTokens } from "./verified-tokens.js";

/**
 * Service accounts that the operator lists: each signs its own tokens (iss = sub = its address, audience = this server), and
 * its public key is all that is needed to know them. Rights come from the list; a token cannot give itself any.
 */

/** One account of the list. */
interface ServiceAccount {
  readonly principal: Principal;
  readonly keys: readonly KeyObject[];
}

/** An entry as it is written; `key` is a file: a key as Google gives it (JSON), a certificate or a public key (PEM). */
interface AccountEntry {
  readonly email?: unknown;
  readonly key?: unknown;
  readonly role?: unknown;
  readonly projects?: unknown;
}

const OPTION = "--service-accounts (PULLQUEUE_SERVICE_ACCOUNTS)";

/** Verifies self-signed tokens of listed accounts. */
export class ServiceAccounts implements TokenVerifier {
  readonly name = "tokens signed by listed service accounts";
  readonly #path: string;
  readonly #audience: string;
  readonly #clockToleranceMs: number;
  readonly #clock: Clock;
  readonly #log: Log | undefined;
  readonly #verified = new VerifiedTokens();
  #accounts: ReadonlyMap<string, ServiceAccount> = new Map();

  /** Call `open` before use. `audience` is this server's public address, without a slash at its end; with one counts as well. */
  constructor(options: {
    readonly path: string;
    readonly audience: string;
    readonly clockToleranceMs: number;
    readonly clock: Clock;
    readonly log?: Log;
  }) {
    this.#path = options.path;
    this.#audience = options.audience;
    this.#clockToleranceMs = options.clockToleranceMs;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Reads the list and the keys that it names. Rejects with `invalid_argument` and every complaint. */
  async open(): Promise<this> {
    this.#accounts = await readAccounts(this.#path);
    this.#verified.forget();
    return this;
  }

  accepts(shape: TokenShape): boolean {
    return shape.kind === "jwt" && shape.issuer !== undefined && this.#accounts.has(shape.issuer);
  }

  verify(token: string): Promise<Principal> {
    return this.#verified.get(token, this.#clock.nowUs(), async () => {
      const issuer = issuerOf(token);
      const account = this.#accounts.get(issuer);
      if (account === undefined) throw invalidCredentials("the token's issuer is not listed any more");
      const payload = await this.#verifyByAny(token, issuer, account.keys);
      return { principal: this.#principalOf(account, payload), exp: payload.exp };
    });
  }

  /** Reads list and keys again; never rejects, and what cannot be used changes nothing. */
  async refresh(): Promise<void> {
    await this.open().catch((error: unknown) => {
      this.#log?.error(
        { reason: QueueError.from(error).message },
        "the service accounts from before go on to count",
      );
    });
  }

  #principalOf({ principal }: ServiceAccount, { iss, iat, exp = 0, sub, scope }: JWTPayload): Principal {
    // One of the future would otherwise hold from now until an hour after its iat.
    const sinceMs = Math.min((iat ?? 0) * 1000, this.#clock.nowUs() / 1000);
    if (exp * 1000 - sinceMs > SERVICE_ACCOUNT_TOKEN_MS + this.#clockToleranceMs) {
      throw invalidCredentials(
        "a token of a service account holds for an hour at most, from its iat to its exp",
      );
    }
    if (sub !== iss) {
      throw invalidCredentials("a service account's token must have its address as iss and as sub");
    }
    // A token may be good for less than its account.
    return { ...principal, scopes: scopesOf(scope) ?? principal.scopes };
  }

  async #verifyByAny(token: string, issuer: string, keys: readonly KeyObject[]) {
    const rules = {
      issuers: [issuer],
      audiences: [this.#audience, `${this.#audience}/`],
      algorithms: ["RS256"],
      clockToleranceMs: this.#clockToleranceMs,
    };
    let refusal: unknown;
    // An account has two keys while one is being replaced.
    for (const key of keys) {
      try {
        return (await verifyJwt(token, () => Promise.resolve(key), rules, this.#clock)).payload;
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  }
}

function issuerOf(token: string): string {
  // Of the shape that `accepts` has seen.
  return (JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as { readonly iss: string })
    .iss;
}

async function readAccounts(path: string): Promise<ReadonlyMap<string, ServiceAccount>> {
  const complaints = new Complaints(`${OPTION}: ${JSON.stringify(path)} cannot be used:`);
  const accounts = new Map<string, { principal: Principal; keys: KeyObject[] }>();
  for (const [index, entry] of entriesOf(await readTextFile(path, OPTION), complaints).entries()) {
    try {
      const { principal, key } = await readAccount(entry, dirname(path));
      const known = accounts.get(principal.email);
      if (known === undefined) accounts.set(principal.email, { principal, keys: [key] });
      else known.keys.push(key);
    } catch (error) {
      complaints.add(`entry ${index + 1}: ${QueueError.from(error).message}`);
    }
  }
  complaints.throwIfAny();
  return accounts;
}

function entriesOf(text: string, complaints: Complaints): readonly AccountEntry[] {
  try {
    const list: unknown = parse(text, { maxAliasCount: 0 });
    if (Array.isArray(list) && list.length > 0) return list.map((entry) => entry ?? {});
  } catch {
    // Neither JSON nor YAML: the complaint says what is expected.
  }
  complaints.add(
    "expected a list (JSON or YAML) of entries with a key, and perhaps email, role and projects",
  );
  return [];
}

async function readAccount(entry: AccountEntry, folder: string) {
  if (typeof entry.key !== "string")
    throw bad("key must name a file: a service account's JSON, a certificate or a public key");
  const file = await readTextFile(resolve(folder, entry.key), "key");
  const json = jsonIn(file);
  const email = entry.email ?? json?.client_email;
  if (typeof email !== "string" || !isEmail(email)) throw bad("email must be the account's address");
  if (json?.client_email !== undefined && json.client_email !== email) {
    throw bad(`email is ${JSON.stringify(email)}, and the key's is ${JSON.stringify(json.client_email)}`);
  }
  const role = entry.role ?? "user";
  if (!ROLES.some((known) => known === role)) throw bad(`role must be ${ROLES.join(", ")}`);
  const principal: Principal = {
    email,
    role: role as Role,
    scopes: [FULL_SCOPE],
    projects: projectsOf(entry.projects),
  };
  return { principal, key: publicKeyOf(json === undefined ? file : String(json.private_key)) };
}

function projectsOf(given: unknown): readonly string[] | "all" {
  if (given === undefined || given === "all") return "all";
  if (Array.isArray(given)) return given.map((project) => parseProject(String(project)));
  throw bad("projects must be a list of project ids, or left out for all");
}

function jsonIn(
  text: string,
): { readonly client_email?: unknown; readonly private_key?: unknown } | undefined {
  try {
    return text.trimStart().startsWith("{") ? JSON.parse(text) : undefined;
  } catch {
    return undefined; // Then it is no PEM either, and the key is refused.
  }
}

/** The public key of a certificate, a public key or a private one, which is not kept. */
function publicKeyOf(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    // OpenSSL's words may quote what is in the file.
    throw bad("key must be a file with a service account's JSON, a certificate or a public key in PEM");
  }
  if (key.asymmetricKeyType === "rsa") return key;
  throw bad(`key must be an RSA key, got ${String(key.asymmetricKeyType)}`);
}

function bad(message: string): QueueError {
  return new QueueError("invalid_argument", message);
}
