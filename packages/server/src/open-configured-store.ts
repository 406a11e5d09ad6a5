import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import {
  openStore,
  parseStoreAddress,
  type QueueAdmin,
  type QueueStore,
  type StoreOptions,
} from "@pullqueue/core";
import type { ServerConfig } from "./config.js";

/** The folder that the server may make for itself: every other one is the user's to make. */
const OWN_FOLDER = ".pullqueue";

/** Opens the store that the configuration names. Rejects with the store's own error. */
export async function openConfiguredStore(
  config: ServerConfig,
  options: StoreOptions,
): Promise<QueueStore & QueueAdmin> {
  const address = parseStoreAddress(config.store);
  if (address.kind === "sqlite") {
    const folder = dirname(address.path);
    // Tasks may hold secrets: nobody else may look into the folder.
    if (basename(folder) === OWN_FOLDER) await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  return openStore(config.store, {
    ...options,
    queuesMax: config.queuesMax,
    tombstoneMs: config.tombstoneMs,
  });
}
