import type { AppEngineSettings, TransportSettings } from "./options.js";
import { RenewalThread } from "./renewal-thread.js";
import { watchTokens } from "./renewal-tokens.js";
import type { LeaseTickets, Transport, TransportContext } from "./transport.js";
import { openTransport } from "./transport-registry.js";

/**
 * Opens a transport whose leases a thread of its own renews while the event loop is blocked: where another thread can reach the same broker
 * and read the same clock, unless the program wants none.
 */
export function openWithStandby(target: TransportSettings, context: TransportContext): Promise<Transport> {
  const { transport, settings } = target;
  const isReachable = transport !== "memory" && transport !== "amqp" && context.isSystemTime === true;
  // Only this thread can ask a function for the password.
  const hasPasswordFunction = transport === "redis" && typeof settings.password === "function";
  if (!isReachable || hasPasswordFunction || settings.leaseRenewal === "loop")
    return openTransport(target, context);
  const { clock, random, warn } = context;
  let thread: RenewalThread | undefined;
  const { watched, isToldTokens } = withTokensTold(target, (token) => thread?.tellToken(token));
  const data = { transport: plainCopy(target, isToldTokens), isToldTokens };
  const openStandby = (tickets: LeaseTickets) => {
    thread = new RenewalThread({ clock, random, warn, data, tickets });
    return thread;
  };
  return openTransport(watched, { ...context, openStandby });
}

/** What is not plain data makes tokens; those are told instead. */
function withTokensTold(
  target: TransportSettings,
  tell: (token: string) => void,
): { readonly watched: TransportSettings; readonly isToldTokens: boolean } {
  if (target.transport !== "appengine") return { watched: target, isToldTokens: false };
  const settings = watchTokens(target.settings, tell);
  const isToldTokens = settings !== target.settings;
  return { watched: { transport: "appengine", settings }, isToldTokens };
}

/** Settings that another thread can be given, secrets included: those are not enumerable, and would stay behind. */
function plainCopy({ transport, settings }: TransportSettings, isToldTokens: boolean): TransportSettings {
  const names = Object.getOwnPropertyNames(settings);
  const copy = Object.fromEntries(names.map((name) => [name, Reflect.get(settings, name)]));
  const noTokens: Partial<AppEngineSettings> = { accessToken: undefined, tokenSource: undefined };
  return { transport, settings: { ...copy, ...(isToldTokens ? noTokens : {}) } } as TransportSettings;
}
