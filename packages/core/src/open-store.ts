import { QueueError } from "./errors.js";
import type { QueueAdmin, QueueStore, StoreOptions } from "./store.js";
import { parseStoreAddress } from "./store-address.js";
import type { TransferStore } from "./transfer.js";

/**
 * Opens the store at an address (`parseStoreAddress`), loading only what that kind needs. Every call with `memory:`
 * makes a store of its own; the name in `memory://name` is for those who share one. Fails with `not_supported` for a
 * kind that this version cannot open, otherwise as the kind's own function.
 */
export async function openStore(
  address: string,
  options: StoreOptions = {},
): Promise<QueueStore & QueueAdmin> {
  const parsed = parseStoreAddress(address);
  switch (parsed.kind) {
    case "memory": {
      const { openMemoryStore } = await import("./stores/memory.js");
      return openMemoryStore(options);
    }
    case "sqlite": {
      const { openSqliteStore } = await import("./stores/sqlite.js");
      return openSqliteStore({ ...options, path: parsed.path });
    }
    case "postgres": {
      const { openPostgresStore } = await import("./stores/postgres.js");
      return openPostgresStore({ ...options, url: parsed.url });
    }
  }
}

/**
 * The same for a store whose queues are to be moved: one that keeps its tasks. Fails with `invalid_argument` for `memory:`,
 * which nobody else could reach.
 */
export async function openTransferStore(address: string, options: StoreOptions = {}): Promise<TransferStore> {
  const parsed = parseStoreAddress(address);
  switch (parsed.kind) {
    case "sqlite": {
      const { openSqliteStore } = await import("./stores/sqlite.js");
      return openSqliteStore({ ...options, path: parsed.path });
    }
    case "postgres": {
      const { openPostgresStore } = await import("./stores/postgres.js");
      return openPostgresStore({ ...options, url: parsed.url });
    }
    case "memory":
      throw new QueueError(
        "invalid_argument",
        "a store in memory is gone with its process; name sqlite:PATH or postgres://…",
        { location: "store" },
      );
  }
}
