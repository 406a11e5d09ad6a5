import { createRequire } from "node:module";
import { KombuError } from "./errors.js";

/** Packages that only some programs need. A body is read by a getter, which cannot wait: hence `require`, not `import()`. */
const require = createRequire(import.meta.url);

const loaded = new Map<string, unknown>();

/**
 * A package that is loaded when it is first used, and known by the methods that are used of it. Without it `not_supported`,
 * saying what it is needed for.
 */
export function requireOptional<T>(packageName: string, purpose: string): T {
  const known = loaded.get(packageName);
  if (known !== undefined) return known as T;
  try {
    const module: unknown = require(packageName);
    loaded.set(packageName, module);
    return module as T;
  } catch (cause) {
    const why = `${purpose} needs the package ${packageName}: npm install ${packageName}`;
    throw new KombuError("not_supported", why, { cause });
  }
}
