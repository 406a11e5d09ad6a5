import { manualClock } from "../../src/clock.js";
import type { StoreFactory } from "../../src/conformance/index.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import { openMemoryStore } from "../../src/stores/memory.js";

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
