import { openMemoryStore, QueueError } from "@pullqueue/core";
import {
  type CustomConnectionOptions,
  KombuError,
  type PlaceTarget,
  type TransportContext,
  VirtualTransport,
} from "@pullqueue/kombu";

/** How long leases are, and the like. */
export const lease = {
  ...{ leaseMs: 60_000, pollingIntervalMs: 1000 },
  ...{ numTasks: undefined, holdMsMax: undefined, deadletterQueue: undefined },
};

/** A broker that can be taken away and brought back: calls on it fail meanwhile, also those that wait. */
export function broker() {
  const store = openMemoryStore();
  const away = () => new QueueError("unavailable", "the broker is away");
  let gone = new AbortController();
  let opened = 0;
  const calls = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...given: unknown[]) => {
        const { signal } = gone;
        if (signal.aborted) throw away();
        // A lease that waits must not take what comes after its caller was told that it failed.
        if (name === "lease") given[2] = { signal: AbortSignal.any([signal, signalOf(given[2])]) };
        const cut = new Promise((_, reject) => signal.addEventListener("abort", () => reject(away())));
        return Promise.race([cut, Promise.resolve(value.apply(target, given))]);
      };
    },
  });
  const target: CustomConnectionOptions = {
    transport: async function test(context: TransportContext) {
      opened += 1;
      if (gone.signal.aborted) throw new KombuError("unavailable", "the broker is away");
      const closeStore = async () => {};
      return new VirtualTransport({ store: calls, name: "test", project: "p", lease, context, closeStore });
    },
  };
  return {
    target,
    store,
    get opened() {
      return opened;
    },
    leave: () => gone.abort(),
    comeBack: () => {
      gone = new AbortController();
    },
    size: async (queue: string) => (await store.peek({ project: "p", queue }, { limit: 100 })).tasks.length,
  };
}

const signalOf = (options: unknown) =>
  (options as { readonly signal?: AbortSignal } | undefined)?.signal ?? new AbortController().signal;

/** Three of them. */
export const brokers = () => [broker(), broker(), broker()] as const;
/** What a connection to these is made from. */
export const targetsOf = (list: readonly { readonly target: PlaceTarget }[]) =>
  list.map(({ target }) => target);
