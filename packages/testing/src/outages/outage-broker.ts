import type { ConnectionOptions } from "@pullqueue/kombu";
import { startTcpProxy, type TcpProxy } from "../tcp-proxy.js";

/**
 * How a broker goes away: it ends in order; it is killed; it hangs; its network refuses everything; its network swallows everything
 * and then breaks; or somebody else has it locked.
 */
export type OutageManner = "stop" | "kill" | "freeze" | "cut" | "silence" | "lock";

/** Brings the broker back; resolves when it serves. Idempotent, and called at the end of its scope. */
export interface Outage extends AsyncDisposable {
  end(): Promise<void>;
}

/** A broker of a test's own that can go away, and comes back at the same place with everything that it had promised to keep. */
export interface OutageBroker extends AsyncDisposable {
  /** In what ways it can go away; the first one is that in which it is away for long. */
  readonly manners: readonly OutageManner[];
  /** Publishing again under the same key adds nothing. */
  readonly knowsKeys: boolean;
  /** Where connections go that are to notice this. */
  target(manner: OutageManner): ConnectionOptions;
  /** Resolves when it is away. */
  begin(manner: OutageManner): Promise<Outage>;
}

/** The leases of all connections, in milliseconds: what was leased while the broker went away returns after that. */
export const OUTAGE_LEASE_MS = 5_000;

/** The parts of a broker behind a port, in which outages are made. */
export interface NetworkBrokerParts {
  readonly knowsKeys: boolean;
  readonly port: number;
  /** Where connections go that reach it at this port. */
  readonly target: (port: number) => ConnectionOptions;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<unknown>;
  readonly kill9: () => Promise<unknown>;
  /** Absent where a server is many processes, not all of which would hang. */
  readonly pause?: () => void;
  readonly resume?: () => void;
  readonly dispose: () => PromiseLike<void>;
}

/** A broker that is reached through a socket. */
export async function networkBroker(parts: NetworkBrokerParts): Promise<OutageBroker> {
  const { port, target, pause, resume = () => {} } = parts;
  const proxy = await startTcpProxy(port);
  const isBehindProxy = (manner: OutageManner) => manner === "cut" || manner === "silence";
  return {
    manners: ["stop", "kill", ...(pause === undefined ? [] : (["freeze"] as const)), "cut", "silence"],
    knowsKeys: parts.knowsKeys,
    target: (manner) => target(isBehindProxy(manner) ? proxy.port : port),
    begin: async (manner) => outageOf(await beginOutage(manner, { ...parts, resume }, proxy)),
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await parts.dispose();
    },
  };
}

/** An outage, by what ends it. */
export function outageOf(end: () => Promise<void>): Outage {
  let ending: Promise<void> | undefined;
  const once = () => {
    ending ??= end();
    return ending;
  };
  return { end: once, [Symbol.asyncDispose]: once };
}

async function beginOutage(
  manner: OutageManner,
  { start, stop, kill9, pause, resume }: NetworkBrokerParts,
  proxy: TcpProxy,
): Promise<() => Promise<void>> {
  switch (manner) {
    case "stop":
      await stop();
      return start;
    case "kill":
      await kill9();
      return start;
    case "freeze":
      pause?.();
      return async () => resume?.();
    case "cut":
      proxy.shut();
      return async () => proxy.open();
    case "silence":
      proxy.freeze();
      return async () => proxy.cut();
    case "lock":
      throw new Error("a broker behind a socket is not locked");
  }
}
