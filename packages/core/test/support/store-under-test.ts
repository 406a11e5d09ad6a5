import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "../../src/clock.js";
import type { StoreUnderTest } from "../../src/conformance/index.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import { openMemoryStore } from "../../src/stores/memory.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";

/** A fresh memory store on a clock that only moves when told. */
export async function memoryUnderTest(): Promise<StoreUnderTest> {
  const clock = manualClock();
  const store = openMemoryStore({ clock });
  return {
    store,
    another: async () => store,
    manualClock: true,
    advance: async (ms) => clock.advance(ms),
    nowUs: () => clock.nowUs(),
    close: () => store.close(),
  };
}

/** A fresh SQLite store in a folder of its own, on a clock that only moves when told. */
export async function sqliteUnderTest(): Promise<StoreUnderTest> {
  const clock = manualClock();
  const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  const path = join(folder, "tasks.db");
  const handles: (QueueStore & QueueAdmin)[] = [];
  const open = async () => {
    const handle = await openSqliteStore({ path, clock });
    handles.push(handle);
    return handle;
  };
  return {
    store: await open(),
    another: open,
    manualClock: true,
    advance: async (ms) => clock.advance(ms),
    nowUs: () => clock.nowUs(),
    close: async () => {
      await Promise.all(handles.map((handle) => handle.close()));
      await rm(folder, { recursive: true });
    },
  };
}
