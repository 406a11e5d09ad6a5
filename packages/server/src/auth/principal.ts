/** Who calls. Every way of authentication comes to this one form. */

/** What a caller is: `admin` may do everything in its projects, `user` what the queues' `acl` say, `monitor` may read metrics and nothing else. */
export const ROLES = ["admin", "user", "monitor"] as const;

/** One of `ROLES`. */
export type Role = (typeof ROLES)[number];

/** A caller that proved who it is. */
export interface Principal {
  /** As the `acl` of a queue names it. Empty for everyone, where nobody is asked. */
  readonly email: string;
  /** As they are called in tokens: full URLs. */
  readonly scopes: readonly string[];
  readonly role: Role;
  /** The projects that the caller may enter, without their prefixes. */
  readonly projects: readonly string[] | "all";
}

/**
 * An address in the form in which two are compared: the domain in lower case, because DNS does not tell case apart. What
 * stands before the last @ is compared as it is, as Google did with the whole.
 */
export function comparableEmail(email: string): string {
  const at = email.lastIndexOf("@");
  return email.slice(0, at + 1) + email.slice(at + 1).toLowerCase();
}
