import { isDeepStrictEqual } from "node:util";
import { booleanCheck, type Check, checkOptions, functionCheck, integerCheck, objectCheck } from "./check.js";
import { resolveConnection } from "./connection-options.js";
import { HOLD_MS_MAX, LEASE_MS_MIN } from "./limits.js";
import type { ConnectionExtras, ConnectionOptions } from "./options.js";
import { openWithStandby } from "./renewal-standby.js";
import type { Transport, TransportContext } from "./transport.js";
import { formatTransportUrl } from "./transport-uri.js";

/** Opens a transport that this package does not know. Called at first use, and again after a failure. */
export type TransportOpener = (context: TransportContext) => Promise<Transport>;

/** A connection over a transport of the program's own. */
export interface CustomConnectionOptions extends ConnectionExtras {
  readonly transport: TransportOpener;
  /** Longest time one message is held by renewals, in milliseconds. Default: as long as its handler runs. */
  readonly holdMsMax?: number;
}

/** Whatever a connection can be made from. */
export type ConnectionTarget = ConnectionOptions | CustomConnectionOptions | string | URL;

/** Where a connection goes: a name to show, and how to open it. */
export interface ConnectionAddress {
  readonly transport: string;
  /** All that holds for its transport, as far as everybody may see it. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly holdMsMax: number | undefined;
  /** Everything that makes it another place than others, secrets too: for `isSamePlace` alone. */
  readonly identity: ReadonlyMap<PropertyKey, unknown>;
  readonly open: TransportOpener;
  uri(options: { readonly includePassword?: boolean }): string;
}

const CUSTOM_CHECKS: Readonly<Record<keyof CustomConnectionOptions, Check>> = {
  transport: functionCheck,
  holdMsMax: integerCheck(LEASE_MS_MIN, HOLD_MS_MAX, "milliseconds"),
  serializers: objectCheck,
  compressions: objectCheck,
  tracing: booleanCheck,
  clock: objectCheck,
  random: functionCheck,
  onWarning: functionCheck,
};

const EXTRAS_CHECKS: Readonly<Record<keyof ConnectionExtras, Check>> = {
  serializers: objectCheck,
  compressions: objectCheck,
  tracing: booleanCheck,
  clock: objectCheck,
  random: functionCheck,
  onWarning: functionCheck,
};

/** What was asked for, checked. Throws one `invalid_argument` with every complaint. */
export function addressOf(target: ConnectionTarget): ConnectionAddress {
  if (isCustom(target)) return customAddress(target);
  const resolved = resolveConnection(target);
  return {
    transport: resolved.transport,
    settings: Object.freeze({ ...resolved.settings }), // What is secret is not enumerable, and stays behind.
    holdMsMax: resolved.settings.holdMsMax,
    identity: new Map([["transport", resolved.transport], ...allOf(resolved.settings)]),
    open: (context) => openWithStandby(resolved, context),
    uri: (options) => formatTransportUrl(resolved, options),
  };
}

/** Whether two addresses are of one place, reached with the same options. Functions and objects are the same only if they are one. */
export function isSamePlace(
  { identity: one }: ConnectionAddress,
  { identity: two }: ConnectionAddress,
): boolean {
  return one.size === two.size && [...one].every(([name, value]) => isSame(value, two.get(name)));
}

function isSame(one: unknown, two: unknown): boolean {
  return Object.is(one, two) || (isPlain(one) && isPlain(two) && isDeepStrictEqual(one, two));
}

/** Lists and records, of steps or places. Instances of classes hide what makes them differ. */
function isPlain(value: unknown): boolean {
  return (
    Array.isArray(value) || (value instanceof Object && Object.getPrototypeOf(value) === Object.prototype)
  );
}

/** All entries, those that are not enumerable too. */
function allOf(settings: object): [PropertyKey, unknown][] {
  return Reflect.ownKeys(settings).map((name) => [name, Reflect.get(settings, name)]);
}

/** Serializers, clock and chance: beside a URL they stand in an argument of their own. */
export function extrasOf(target: ConnectionTarget, extras: ConnectionExtras): ConnectionExtras {
  checkOptions("a connection", extras, EXTRAS_CHECKS);
  return typeof target === "string" || target instanceof URL ? extras : { ...target, ...extras };
}

/** The same target, out of reach of whoever changes the objects that it was given in. */
export function copyOf(target: ConnectionTarget): ConnectionTarget {
  if (typeof target === "string") return target;
  if (target instanceof URL) return target.href;
  if (isCustom(target) || target.transportOptions === undefined) return { ...target };
  return { ...target, transportOptions: { ...target.transportOptions } } as ConnectionOptions;
}

function isCustom(target: ConnectionTarget): target is CustomConnectionOptions {
  return typeof target === "object" && "transport" in target && typeof target.transport === "function";
}

function customAddress(options: CustomConnectionOptions): ConnectionAddress {
  checkOptions("a connection", options, CUSTOM_CHECKS);
  const name = options.transport.name || "custom";
  return {
    transport: name,
    settings: Object.freeze({ holdMsMax: options.holdMsMax }),
    holdMsMax: options.holdMsMax,
    identity: new Map(Object.entries({ transport: options.transport, holdMsMax: options.holdMsMax })),
    open: options.transport,
    uri: () => `${name}:`,
  };
}
