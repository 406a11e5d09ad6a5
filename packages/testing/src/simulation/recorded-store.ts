import type { QueueAdmin, QueueStore } from "@pullqueue/core";
import type { Model } from "./model.js";
import type { HowEnded, QueueLaws } from "./queue-laws.js";
import type { WaitingLeases } from "./waiting-leases.js";

/** A store that can do everything. */
export type Store = QueueStore & QueueAdmin;

/** Who hears of a store's answers. */
export interface Recorder {
  readonly model: Model;
  readonly queueLaws: QueueLaws;
  readonly waiting: WaitingLeases;
  /** The server whose store it is. */
  readonly server: string;
}

/** A store that tells the model of each answer before its caller hears of it. Everything else is the store's own. */
export function recordedStore(store: Store, { model, queueLaws, waiting, server }: Recorder): Store {
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
      queueLaws.settingsPut(queue, settings);
      return info;
    },
    async pauseQueue(queue, options) {
      const info = await store.pauseQueue(queue, options);
      queueLaws.pausePut(queue, "paused");
      return info;
    },
    async resumeQueue(queue, options) {
      const info = await store.resumeQueue(queue, options);
      queueLaws.pausePut(queue, "resumed");
      return info;
    },
    purge: (queue, options) =>
      followed(store.purge(queue, options), queueLaws.purgeBegun(queue, options?.only)),
    redrive: (queue, options) => followed(store.redrive(queue, options), queueLaws.redriveBegun(queue)),
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

/** Says how a call ended before its caller hears of it. */
async function followed<T>(call: Promise<T>, ended: (how: HowEnded) => void): Promise<T> {
  try {
    const value = await call;
    ended("answered");
    return value;
  } catch (error) {
    ended("unclear");
    throw error;
  }
}
