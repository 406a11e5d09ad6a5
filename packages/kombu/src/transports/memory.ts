import { openMemoryStore, type QueueAdmin, type QueueStore } from "@pullqueue/core";
import type { MemorySettings } from "../options.js";
import type { Transport, TransportContext } from "../transport.js";
import { memoryForm } from "./memory-messages.js";
import { VirtualTransport } from "./virtual.js";

/** A store that connections share, and how many do. */
interface SharedStore {
  readonly store: QueueStore & QueueAdmin;
  users: number;
}

/** By name, as kombu's memory transport shares its queues within a process. A store goes with its last connection. */
const stores = new Map<string, SharedStore>();

/** Queues in this process's memory: for tests, and for programs that want a queue without a broker. */
export async function openMemoryTransport(
  settings: MemorySettings,
  context: TransportContext,
): Promise<Transport> {
  const { name, projectName: project } = settings;
  const shared = stores.get(name) ?? openShared(context);
  stores.set(name, shared);
  shared.users += 1;
  const closeStore = async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    stores.delete(name);
    await shared.store.close();
  };
  return new VirtualTransport({
    ...{ store: shared.store, name: "memory", project, context, closeStore },
    lease: settings,
    form: memoryForm,
    answersSurely: true,
  });
}

function openShared({ clock }: TransportContext): SharedStore {
  return { store: openMemoryStore({ clock, sharedPayloads: "all" }), users: 0 };
}
