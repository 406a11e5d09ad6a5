import { KombuError } from "./errors.js";
import { JSON_DEPTH_MAX } from "./limits.js";

/** Where a value stands inside another one: what the writers of JSON, MessagePack and YAML complain with. */

/** A container on the way to a value: gives errors their path, and finds cycles. */
export interface Place {
  readonly parent: Place | undefined;
  readonly key: string | number;
  readonly container: object;
  readonly depth: number;
}

/** Refuses a container that a format has no word for: one that contains itself, is too deep, or has its content elsewhere. */
export function checkPlace(format: string, { container, parent, key, depth }: Place): void {
  for (let above = parent; above !== undefined; above = above.parent) {
    if (above.container === container) refuseAt(format, "an object that contains itself", parent, key);
  }
  if (depth > JSON_DEPTH_MAX) {
    refuseAt(format, `something nested deeper than ${JSON_DEPTH_MAX} levels`, parent, key);
  }
  const prototype = Object.getPrototypeOf(container);
  if (prototype === Object.prototype || prototype === Array.prototype || prototype === null) return;
  const hint = FOREIGN_OBJECTS.find(([type]) => container instanceof type)?.[1];
  if (hint !== undefined) refuseAt(format, hint, parent, key);
}

/** Objects that have no members of their own to write, so that their content would be lost without a word; and what to do. */
const FOREIGN_OBJECTS: readonly (readonly [abstract new (...args: never[]) => object, string])[] = [
  [Object.getPrototypeOf(Uint8Array), "bytes (publish them as the whole body, or as base64 text)"],
  [ArrayBuffer, "an ArrayBuffer (publish a Uint8Array as the whole body, or base64 text)"],
  [Map, "a Map (use Object.fromEntries)"],
  [Set, "a Set (use Array.from)"],
  [Promise, "a promise (await it first)"],
  [Error, "an error (write its name and message)"],
  [RegExp, "a regular expression (write its source)"],
];

/** Throws `not_serializable`, with the path to what is refused. */
export function refuseAt(
  format: string,
  what: string,
  parent: Place | undefined,
  key: string | number,
): never {
  throw new KombuError("not_serializable", `${format} cannot hold ${what}, at ${pathOf(parent, key)}`);
}

function pathOf(parent: Place | undefined, key: string | number): string {
  const keys: (string | number)[] = [];
  let name = key;
  for (let place = parent; place !== undefined; place = place.parent) {
    keys.unshift(name);
    name = place.key;
  }
  return keyPath(keys);
}

/** `$.a[0]["odd name"]`, of which the middle is left out when it is long. */
export function keyPath(keys: readonly (string | number)[]): string {
  const steps = keys.map(stepOf);
  if (steps.length > PATH_STEPS_SHOWN)
    steps.splice(PATH_STEPS_SHOWN / 2, steps.length - PATH_STEPS_SHOWN, "…");
  return `$${steps.join("")}`;
}

const PATH_STEPS_SHOWN = 20;

function stepOf(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
