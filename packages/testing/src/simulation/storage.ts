import { openMemoryStore, openSqliteStore, type StoreObserver } from "@pullqueue/core";
import { temporaryFolder } from "../temp.js";
import { CrashableDatabase } from "./crashable-database.js";
import type { Store } from "./recorded-store.js";
import { ProcessClock, type SimulatedTime } from "./time.js";

/** Where the servers of a world keep their tasks. */
type StorageKind = "memory" | "sqlite";

/** A server's handle on the storage. */
export interface StorageHandle {
  readonly store: Store;
  /** The server's process dies, now or at its so many-th statement from now. */
  crash(): void;
  crashAt(statement: number): void;
  /** Closes the handle as a server does that ends in peace. */
  close(): Promise<void>;
}

/** What several servers have in common. */
export interface Storage extends Disposable {
  readonly kind: StorageKind;
  /** Opens a handle for a server's process. `onCrash` is told of the planned crash. */
  open(clock: ProcessClock, onCrash: () => void): Promise<StorageHandle>;
}

/** One memory store behind all servers. It lives as long as the world, because nothing is promised beyond its process. */
export function memoryStorage(time: SimulatedTime, observer: StoreObserver): Storage {
  const store = openMemoryStore({ clock: new ProcessClock(time), observer });
  return {
    kind: "memory",
    open: async () => ({
      store,
      crash: () => {},
      crashAt: () => {},
      close: async () => {},
    }),
    [Symbol.dispose]: () => {},
  };
}

/** One SQLite file, which every server's process opens for itself. */
export function sqliteStorage(time: SimulatedTime, observer: StoreObserver): Storage {
  const folder = temporaryFolder();
  return {
    kind: "sqlite",
    async open(clock, onCrash) {
      const database = new CrashableDatabase(folder.file("tasks.db"), {
        onStatement: () => time.note(),
        onCrash,
      });
      const store = await openSqliteStore({ database, clock, observer });
      return {
        store,
        crash: () => database.crash(),
        crashAt: (statement) => database.crashAt(statement),
        close: async () => {
          await store.close();
          database.close();
        },
      };
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
