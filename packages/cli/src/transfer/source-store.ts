import { stat } from "node:fs/promises";
import { openTransferStore, parseStoreAddress, QueueError, type TransferStore } from "@pullqueue/core";

/**
 * Opens a store that is read from. A store for servers comes into being with its file; one that has queues to take does not,
 * and a mistyped path must not look like an empty store. Fails with `invalid_argument` when there is no file.
 */
export async function openSourceStore(address: string): Promise<TransferStore> {
  const parsed = parseStoreAddress(address);
  if (parsed.kind === "sqlite" && (await stat(parsed.path).catch(() => undefined))?.isFile() !== true) {
    throw new QueueError(
      "invalid_argument",
      `there is no store at ${JSON.stringify(address)}: expected the SQLite file that the server was started with; look at the path and at the folder that you are in`,
      { location: "store" },
    );
  }
  return openTransferStore(address, { createQueues: false });
}
