import { SHORT_SCOPES } from "@pullqueue/server";
import { InvalidArgumentError } from "commander";

/** OAuth scopes on the command line: this API's own have short names. */

/** The short names, for help texts. */
export const SHORT_SCOPE_NAMES = Object.keys(SHORT_SCOPES).join(", ");

/** Scopes with commas between them: short names, or whole URLs. Throws commander's error for others. */
export function parseScopes(text: string): readonly string[] {
  return text.split(",").map((part) => {
    const scope = wholeScope(part);
    if (scope.startsWith("https://")) return scope;
    throw new InvalidArgumentError(`Expected ${SHORT_SCOPE_NAMES} or a URL, got ${quote(part)}.`);
  });
}

/**
 * The same for any authorization server, whose scopes may have any name (RFC 6749, 3.3). Adds to `previous`, because the option may be
 * repeated.
 */
export function addScopes(text: string, previous: readonly string[] = []): readonly string[] {
  const added = text.split(",").map((part) => {
    const scope = wholeScope(part);
    if (/^[!#-+\--[\]-~]+$/.test(scope)) return scope;
    throw new InvalidArgumentError(
      `Expected ${SHORT_SCOPE_NAMES}, or a scope without spaces, got ${quote(part)}.`,
    );
  });
  return [...previous, ...added];
}

/** A scope as people write it. */
export function scopeText(scope: string): string {
  return Object.keys(SHORT_SCOPES).find((name) => SHORT_SCOPES[name] === scope) ?? scope;
}

function wholeScope(text: string): string {
  const name = text.trim();
  return (Object.hasOwn(SHORT_SCOPES, name) ? SHORT_SCOPES[name] : undefined) ?? name;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
