import { limits, parseProject } from "@pullqueue/core";
import { isEmail } from "../email.js";
import { invalidCredentials } from "./bearer.js";
import { comparableEmail, type Principal, ROLES, type Role } from "./principal.js";

/** From what an issuer says of a token to a caller. */

/** What is said of a token: the claims of a JWT, or the answer of an introspection. */
export type Claims = Readonly<Record<string, unknown>>;

/** How claims are called, and what counts where they are silent. */
export interface ClaimRules {
  /** By the option's name of each. Scopes are looked for in `scope` and, without it, in `scp`, unless named. */
  readonly names: {
    readonly email: string;
    readonly scope: string | undefined;
    readonly role: string;
    readonly projects: string;
  };
  /** The scopes of a token that says nothing of scopes. */
  readonly scopes: readonly string[];
  /** Addresses whose callers are administrators whatever their tokens say, unless those make them a monitor. */
  readonly admins: readonly string[];
}

/**
 * The caller that claims describe. Without a role it is a user, without projects it may enter all: what it may do there is
 * for the `acl` of queues to say. Throws `unauthenticated` for claims that cannot be read, and for an unverified address.
 */
export function principalOf(claims: Claims, { names, scopes, admins }: ClaimRules): Principal {
  const email = claims[names.email];
  if (typeof email !== "string" || !isEmail(email)) {
    throw invalidCredentials(`the token names no e-mail address in its claim ${JSON.stringify(names.email)}`);
  }
  if (String(claims.email_verified) === "false") {
    throw invalidCredentials("the token's e-mail address has not been verified by its issuer");
  }
  const role = roleOf(claims[names.role]);
  const isAdmin = admins.some((admin) => comparableEmail(admin) === comparableEmail(email));
  return {
    email,
    scopes:
      scopesOf(names.scope === undefined ? (claims.scope ?? claims.scp) : claims[names.scope]) ?? scopes,
    role: isAdmin && role === "user" ? "admin" : role,
    projects: projectsOf(claims[names.projects]),
  };
}

/** Scopes as RFC 8693 and others write them: a text with spaces, or a list; undefined when nothing is said of them. Throws `unauthenticated` for other forms. */
export function scopesOf(claim: unknown): readonly string[] | undefined {
  if (claim === undefined) return undefined;
  if (typeof claim === "string") return claim.split(" ").filter((scope) => scope !== "");
  if (isTexts(claim)) return claim;
  throw invalidCredentials("the token's scopes are neither a text nor a list of texts");
}

/** Of several roles the first of `ROLES`; words that are none of ours belong to somebody else, and give nothing. */
function roleOf(claim: unknown): Role {
  const words = Array.isArray(claim) ? claim : [claim];
  return ROLES.find((role) => role !== "user" && words.includes(role)) ?? "user";
}

function projectsOf(claim: unknown): readonly string[] | "all" {
  if (claim === undefined || claim === "*") return "all";
  const projects = typeof claim === "string" ? claim.split(/[ ,]+/).filter((part) => part !== "") : claim;
  if (!isTexts(projects) || projects.length > limits.LIST_QUEUES_MAX) {
    throw invalidCredentials('the token\'s projects are neither "*" nor a text or a list of project ids');
  }
  return projects.includes("*") ? "all" : projects.map(projectOf);
}

function projectOf(text: string): string {
  try {
    return parseProject(text);
  } catch {
    throw invalidCredentials("the token names something as a project that cannot be one");
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
