import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "../../src/clock.js";
import type { StoreFactory } from "../../src/conformance/index.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import { openMemoryStore } from "../../src/stores/memory.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";

type Store = QueueStore & QueueAdmin;

/** Memory stores on a manual clock, perhaps with something around each of them. */
export function memoryFactory(around: (store: Store) => Store = (store) => store): StoreFactory {
  return async () => {
    const clock = manualClock();
    const store = around(openMemoryStore({ clock }));
    return {
      store,
      another: async () => store,
      manualClock: true,
      advance: async (ms) => clock.advance(ms),
      nowUs: () => clock.nowUs(),
      close: () => store.close(),
    };
  };
}

/** SQLite stores on a manual clock, each in a file of its own; every handle is a connection of its own. */
export function sqliteFactory(): StoreFactory {
  return async () => {
    const clock = manualClock();
    const folder = mkdtempSync(join(tmpdir(), "pullqueue-test-"));
    const handles: Store[] = [];
    const open = async () => {
      const store = await openSqliteStore({ path: join(folder, "queue.db"), clock });
      handles.push(store);
      return store;
    };
    return {
      store: await open(),
      another: open,
      manualClock: true,
      advance: async (ms) => clock.advance(ms),
      nowUs: () => clock.nowUs(),
      close: async () => {
        await Promise.all(handles.map((store) => store.close()));
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };
}
