import { isEmail } from "../email.js";
import { type Principal, ROLES, type Role } from "./principal.js";

/** A token as it is kept: all but itself. */
export interface StoredToken extends Principal {
  /** How people call it: the first digits of its hash. */
  readonly id: string;
  /** SHA-256 of the token, in hex. A token has 256 bits of chance, so that its hash needs no salt and no slowness. */
  readonly sha256: string;
  readonly createdAtUs: number;
  /** Undefined: it holds until it is revoked. */
  readonly expiresAtUs: number | undefined;
}

/** The same in the file: times as ISO 8601 for people. */
export interface StoredTokenJson {
  readonly id: string;
  readonly sha256: string;
  readonly email: string;
  readonly role: Role;
  readonly scopes: readonly string[];
  readonly projects: readonly string[] | "all";
  readonly createdAt: string;
  readonly expiresAt?: string | undefined;
}

/** A token for the file. */
export function storedTokenToJson(token: StoredToken): StoredTokenJson {
  const { id, sha256, email, role, scopes, projects } = token;
  return {
    ...{ id, sha256, email, role, scopes, projects },
    createdAt: isoOf(token.createdAtUs),
    ...(token.expiresAtUs === undefined ? {} : { expiresAt: isoOf(token.expiresAtUs) }),
  };
}

/** A token of the file, or undefined when something in it is not as it was written. */
export function storedTokenOf(json: Partial<StoredTokenJson> | null): StoredToken | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const { id, sha256, email, role, scopes, projects } = json;
  const createdAtUs = usOf(json.createdAt);
  const expiresAtUs = json.expiresAt === undefined ? undefined : usOf(json.expiresAt);
  const good =
    typeof id === "string" &&
    typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    typeof email === "string" &&
    isEmail(email) &&
    ROLES.some((known) => known === role) &&
    isTexts(scopes) &&
    (projects === "all" || isTexts(projects)) &&
    !Number.isNaN(createdAtUs) &&
    !Number.isNaN(expiresAtUs);
  if (!good) return undefined;
  return { id, sha256, email, role: role as Role, scopes, projects, createdAtUs, expiresAtUs };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isoOf(us: number): string {
  return new Date(us / 1000).toISOString();
}

function usOf(iso: unknown): number {
  return typeof iso === "string" ? Date.parse(iso) * 1000 : Number.NaN;
}
