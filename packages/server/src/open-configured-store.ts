import {
  openStore,
  parseStoreAddress,
  type QueueAdmin,
  type QueueStore,
  type StoreOptions,
} from "@pullqueue/core";
import type { ServerConfig } from "./config.js";
import { makeOwnFolder } from "./own-folder.js";

/** Opens the store that the configuration names. Rejects with the store's own error. */
export async function openConfiguredStore(
  config: ServerConfig,
  options: StoreOptions,
): Promise<QueueStore & QueueAdmin> {
  const address = parseStoreAddress(config.store);
  if (address.kind === "sqlite") await makeOwnFolder(address.path);
  return openStore(config.store, {
    ...options,
    queuesMax: config.queuesMax,
    tombstoneMs: config.tombstoneMs,
  });
}
