import { manualClock, openMemoryStore, type QueueAdmin, type QueueStore } from "@pullqueue/core";
import { Connection, VirtualTransport } from "@pullqueue/kombu";

/** A store with its administration, as transports use it. */
export type Store = QueueStore & QueueAdmin;

/** Lease of the connections, in milliseconds. */
export const LEASE_MS = 60_000;

/** A real store, some of whose calls are made to fail or are watched, and connections to it on a clock that is turned by hand. */
export function storeWith(
  change: (store: Store) => Partial<Store> = () => ({}),
  {
    clock = manualClock(),
    numTasks = undefined as number | undefined,
    closeStore = async (): Promise<void> => {},
  } = {},
) {
  const store = openMemoryStore({ clock });
  const changed = change(store);
  const proxy = new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(changed, name)) return Reflect.get(changed, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const lease = {
    leaseMs: LEASE_MS,
    pollingIntervalMs: 1000,
    numTasks,
    holdMsMax: undefined,
    deadletterQueue: undefined,
  };
  const connect = () =>
    new Connection(
      {
        transport: async (context) =>
          new VirtualTransport({
            ...{ store: proxy, name: "virtual", project: "p", lease, context },
            closeStore,
          }),
      },
      { clock },
    );
  const advance = async (ms: number, stepMs = 1000) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      await settled();
    }
  };
  return { store, clock, connect, advance };
}

/** Waits until what is under way in this process has come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}
