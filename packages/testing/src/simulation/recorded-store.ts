import type { QueueAdmin, QueueStore, StoreObserver } from "@pullqueue/core";
import type { Model } from "./model.js";
import type { WaitingLeases } from "./waiting-leases.js";

/** A store that can do everything. */
export type Store = QueueStore & QueueAdmin;

/** Who hears of a store's answers. */
export interface Recorder {
  readonly model: Model;
  readonly waiting: WaitingLeases;
  /** The server whose store it is. */
  readonly server: string;
}

/** A store that tells the model of each answer before its caller hears of it. Everything else is the store's own. */
export function recordedStore(store: Store, { model, waiting, server }: Recorder): Store {
  const recorded: Partial<Store> = {
    async insert(queue, tasks, options) {
      const results = await store.insert(queue, tasks, options);
      results.forEach((result, index) => void model.insertAnswered(queue, tasks[index]!, result));
      return results;
    },
    async lease(queues, request, options) {
      const call = { queues, request, server };
      const ended = waiting.begun(call);
      try {
        const tasks = await store.lease(queues, request, options);
        model.leaseAnswered(call, tasks);
        return tasks;
      } finally {
        ended();
      }
    },
    async extend(queue, leases, options) {
      const results = await store.extend(queue, leases, options);
      results.forEach((result, index) => void model.extendAnswered(queue, leases[index]!, result));
      return results;
    },
    async delete(queue, targets, options) {
      const results = await store.delete(queue, targets, options);
      results.forEach((result, index) => void model.deleteAnswered(queue, targets[index]!, result));
      return results;
    },
    async putQueue(queue, settings, options) {
      const info = await store.putQueue(queue, settings, options);
      model.settingsPut(queue, settings);
      return info;
    },
    async purge(queue, options) {
      const ended = model.purgeBegun(queue);
      try {
        const removed = await store.purge(queue, options);
        ended("answered");
        return removed;
      } catch (error) {
        ended("unclear");
        throw error;
      }
    },
  };
  const names = recorded as Readonly<Record<string | symbol, unknown>>;
  return new Proxy(store, {
    get(target, name) {
      const own = names[name];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What the store tells by itself. */
export function recordingObserver(model: Model): StoreObserver {
  return {
    onExhausted: (task) => model.dropped(task, "exhausted"),
  };
}
