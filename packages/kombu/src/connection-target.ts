import { isDeepStrictEqual } from "node:util";
import {
  type Check,
  checkOptions,
  checkValue,
  complaintsAbout,
  functionCheck,
  integerCheck,
  refuse,
} from "./check.js";
import type { ConnectionAddress } from "./connection-address.js";
import { EXTRAS_CHECKS, resolveConnection } from "./connection-options.js";
import { KombuError } from "./errors.js";
import { type FailoverOrder, roundRobin, shuffler } from "./failover.js";
import { ALTERNATES_MAX, HOLD_MS_MAX, LEASE_MS_MIN } from "./limits.js";
import type {
  ConnectionExtras,
  ConnectionOptions,
  ConnectionTarget,
  CustomConnectionOptions,
  FailoverStrategy,
  PlaceTarget,
} from "./options.js";
import { openWithStandby } from "./renewal-standby.js";
import { formatTransportUrl } from "./transport-uri.js";
import { splitUrls } from "./transport-url.js";

const CUSTOM_CHECKS: Readonly<Record<keyof CustomConnectionOptions, Check>> = {
  transport: functionCheck,
  holdMsMax: integerCheck(LEASE_MS_MIN, HOLD_MS_MAX, "milliseconds"),
  ...EXTRAS_CHECKS,
};

const placesCheck: Check = {
  expected: `at least one and at most ${ALTERNATES_MAX} URLs or connection options`,
  holds: (v) => Array.isArray(v) && v.length > 0 && v.length <= ALTERNATES_MAX,
};

const orderCheck: Check = {
  expected: "an iterator of the targets, or something to iterate over",
  holds: (v) => typeof v === "object" && v !== null && (Symbol.iterator in v || "next" in v),
};

/**
 * The places that were asked for, checked; the alternates are the last. Throws `invalid_argument`. All are of one transport,
 * because a program relies on what its broker can do, which must not change when one fails.
 */
export function addressesOf(
  target: ConnectionTarget,
  alternates: readonly PlaceTarget[] = [],
): readonly ConnectionAddress[] {
  const given: readonly PlaceTarget[] = [target, alternates].flat();
  const targets = given.flatMap<PlaceTarget>((one) => (typeof one === "string" ? splitUrls(one) : one));
  const addresses = checkValue("a connection's targets", targets, placesCheck).map(addressOf);
  const names = [...new Set(addresses.map(({ transport }) => transport))];
  if (names.length === 1) return addresses;
  throw new KombuError(
    "invalid_argument",
    `the places of one connection must all be of one transport, and these are of ${names.join(" and ")}; what each can do differs, so make two connections`,
  );
}

/** What was asked for, checked. Throws one `invalid_argument` with every complaint. */
function addressOf(target: PlaceTarget): ConnectionAddress {
  if (isCustom(target)) return customAddress(target);
  const resolved = resolveConnection(target);
  return {
    transport: resolved.transport,
    target,
    settings: Object.freeze({ ...resolved.settings }), // What is secret is not enumerable, and stays behind.
    holdMsMax: resolved.settings.holdMsMax,
    identity: new Map(
      allOf({ transport: resolved.transport, retry: resolved.retry }).concat(allOf(resolved.settings)),
    ),
    retry: resolved.retry,
    open: (context) => openWithStandby(resolved, context),
    uri: (options) => formatTransportUrl(resolved, options),
  };
}

/** Whether both go to the same places in the same order. */
export function areSamePlaces(
  some: readonly ConnectionAddress[],
  others: readonly ConnectionAddress[],
): boolean {
  return some.length === others.length && some.every((one, index) => isSamePlace(one, others[index]!));
}

/** Whether two addresses are of one place, reached with the same options. Functions and objects are the same only if they are one. */
function isSamePlace({ identity: one }: ConnectionAddress, { identity: two }: ConnectionAddress): boolean {
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

/** Serializers, clock and chance: beside a URL they stand in an argument of their own. Of several places, the first that says one. */
export function extrasOf(target: ConnectionTarget, extras: ConnectionExtras): ConnectionExtras {
  checkOptions("a connection", extras, EXTRAS_CHECKS);
  const objects = [target].flat().filter((one) => typeof one === "object" && !(one instanceof URL));
  const all: ConnectionExtras = Object.assign({}, ...objects.toReversed(), extras);
  refuse(complaintsAbout("a connection", { alternates: all.alternates }, EXTRAS_CHECKS));
  return all;
}

/** A strategy as an order of addresses: a program's own speaks of targets, we of addresses. */
export function orderOf(strategy: FailoverStrategy, random: () => number): FailoverOrder<ConnectionAddress> {
  if (strategy === "round-robin") return roundRobin;
  if (strategy === "shuffle") return shuffler(random);
  return function* ordered(addresses) {
    const order = checkValue(
      "what failoverStrategy gives",
      strategy(addresses.map(({ target }) => target)),
      orderCheck,
    );
    const targets = Symbol.iterator in order ? order : { [Symbol.iterator]: () => order };
    for (const chosen of targets) {
      const address = addresses.find(({ target }) => target === chosen);
      if (address === undefined) return; // Nothing that the strategy was given.
      yield address;
    }
  };
}

/** The same target, out of reach of whoever changes the objects that it was given in. */
export function copyOf(target: ConnectionTarget): ConnectionTarget {
  return isSeveral(target) ? target.map(copyOfPlace) : copyOfPlace(target);
}

function copyOfPlace(target: PlaceTarget): PlaceTarget {
  if (typeof target === "string") return target;
  if (target instanceof URL) return target.href;
  if (isCustom(target) || target.transportOptions === undefined) return { ...target };
  return { ...target, transportOptions: { ...target.transportOptions } } as ConnectionOptions;
}

function isSeveral(target: ConnectionTarget): target is readonly PlaceTarget[] {
  return Array.isArray(target);
}

function isCustom(target: PlaceTarget): target is CustomConnectionOptions {
  return (
    typeof target === "object" &&
    target !== null &&
    "transport" in target &&
    typeof target.transport === "function"
  );
}

function customAddress(options: CustomConnectionOptions): ConnectionAddress {
  checkOptions("a connection", options, CUSTOM_CHECKS);
  const name = options.transport.name || "custom";
  return {
    transport: name,
    target: options,
    settings: Object.freeze({ holdMsMax: options.holdMsMax }),
    holdMsMax: options.holdMsMax,
    identity: new Map(Object.entries({ transport: options.transport, holdMsMax: options.holdMsMax })),
    retry: undefined,
    open: options.transport,
    uri: () => `${name}:`,
  };
}
