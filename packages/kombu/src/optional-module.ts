import { createRequire } from "node:module";
import { KombuError } from "./errors.js";

/** Packages that only some programs need. A body is read by a getter, which cannot wait: hence `require`, not `import()`. */
const require = createRequire(import.meta.url);

/** What was loaded, and what could not be. */
const loaded = new Map<string, { readonly module: unknown } | { readonly cause: unknown }>();

/**
 * A package that is loaded when it is first used, and known by the methods that are used of it. Without it `not_supported`,
 * saying what it is needed for.
 */
export function requireOptional<T>(packageName: string, purpose: string): T {
  const found = load(packageName);
  if ("module" in found) return found.module as T;
  const why = `${purpose} needs the package ${packageName}: npm install ${packageName}`;
  throw new KombuError("not_supported", why, { cause: found.cause });
}

/** The same, or undefined without it. */
export function findOptional<T>(packageName: string): T | undefined {
  const found = load(packageName);
  return "module" in found ? (found.module as T) : undefined;
}

function load(packageName: string): { readonly module: unknown } | { readonly cause: unknown } {
  const known = loaded.get(packageName);
  if (known !== undefined) return known;
  const found = attempt(packageName);
  loaded.set(packageName, found);
  return found;
}

function attempt(packageName: string): { readonly module: unknown } | { readonly cause: unknown } {
  try {
    return { module: require(packageName) };
  } catch (cause) {
    return { cause };
  }
}
