import {
  openMemoryStore,
  openStore,
  parseStoreAddress,
  type QueueAdmin,
  type QueueStore,
  type StoreOptions,
} from "@pullqueue/core";
import type { ServerConfig } from "./config-options.js";
import { openPatiently, type Patience } from "./open-patiently.js";
import { makeOwnFolder } from "./own-folder.js";

/** Opens the store that the configuration names; a database may still be starting. Rejects with the store's own error. */
export async function openConfiguredStore(
  config: ServerConfig,
  options: StoreOptions,
  patience: Patience,
): Promise<QueueStore & QueueAdmin> {
  const address = parseStoreAddress(config.store);
  if (address.kind === "sqlite") await makeOwnFolder(address.path);
  const { queuesMax, tombstoneMs } = config;
  const all = { ...options, queuesMax, tombstoneMs };
  // Leased payloads are written into answers and never changed; inserted ones are cut from memory that many requests share.
  if (address.kind === "memory") return openMemoryStore({ ...all, sharedPayloads: "leased" });
  const open = () => openStore(config.store, all);
  // A file that is not there now will not be there in a minute.
  return address.kind === "postgres" ? openPatiently(open, patience) : open();
}
