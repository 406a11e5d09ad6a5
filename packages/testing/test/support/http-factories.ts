import {
  type Clock,
  DISCOVERY_PATH,
  type HttpStore,
  handlerClient,
  type ManualClock,
  manualClock,
  matchRoute,
  openHttpStore,
  openMemoryStore,
  type QueueAdmin,
  type QueueStore,
  systemClock,
} from "@pullqueue/core";
import type { StoreFactory } from "@pullqueue/core/conformance";
import { openSqliteStore } from "@pullqueue/core/stores/sqlite";
import {
  createHandler,
  loadConfig,
  type RequestHandler,
  type RunningServer,
  startServer,
} from "@pullqueue/server";
import { temporaryFolder } from "../../src/temp.js";
import { PLAIN_METHODS } from "./fault-proxy.js";

type Store = QueueStore & QueueAdmin;

/** A store behind a server: its handles over HTTP, and how all of it ends. */
interface Served {
  open(): HttpStore;
  close(): Promise<void>;
}

/** Opens the store behind a server. */
export type OpenBehind = (clock: Clock) => Promise<{ readonly store: Store; readonly remove?: () => void }>;

/** A memory store behind the server. */
export const onMemory: OpenBehind = async (clock) => ({ store: openMemoryStore({ clock }) });

/** An SQLite store in a file of its own behind the server. */
export const onSqlite: OpenBehind = async (clock) => {
  const folder = temporaryFolder();
  const store = await openSqliteStore({ path: folder.file("queue.db"), clock });
  return { store, remove: () => folder[Symbol.dispose]() };
};

/** Our server without its discovery document and its additions. */
export function plainHandler(handler: RequestHandler): RequestHandler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const match = pathname === DISCOVERY_PATH ? undefined : matchRoute(request.method, pathname);
    if (match?.kind === "route" && PLAIN_METHODS.has(match.name)) return handler(request);
    return new Response("Not Found", { status: 404 });
  };
}

/** A server on a free port, on a memory store. It logs nothing. */
export async function startMemoryServer(clock: Clock = systemClock()): Promise<RunningServer> {
  return startServer(await quietConfig(), { store: openMemoryStore({ clock }), clock });
}

function quietConfig() {
  return loadConfig({ flags: { port: "0", logLevel: "silent" }, env: {} });
}

/** The store over HTTP, the server called in process. The server's clock is turned; the client's runs by itself. */
export function inProcess(openBehind: OpenBehind): StoreFactory {
  return factory(async (clock) => {
    const { store, remove } = await openBehind(clock);
    const handler = createHandler({ store, clock });
    return {
      open: () => openHttpStore({ client: handlerClient(handler) }),
      close: async () => {
        await store.close();
        remove?.();
      },
    };
  });
}

/** The same over a socket. */
export function overSocket(openBehind: OpenBehind): StoreFactory {
  return factory(async (clock) => {
    const { store, remove } = await openBehind(clock);
    const server = await startServer(await quietConfig(), { store, clock });
    return {
      open: () => openHttpStore({ endpoint: server.url }),
      close: async () => {
        await server.close();
        remove?.();
      },
    };
  });
}

/** Real time between two looks of a client that polls, in milliseconds. */
const POLL_MS = 5;

/** Shows the time of another clock, while its timers fire soon: polling does not stand still with the time. */
function pollingClock(clock: Clock): Clock {
  const real = systemClock();
  return {
    nowUs: () => clock.nowUs(),
    timer: (delayMs, callback, options) => real.timer(Math.min(delayMs, POLL_MS), callback, options),
  };
}

/** A server without additions, in process. A plain client compares times itself, so both show the same. */
export function plainInProcess(): StoreFactory {
  return factory(async (clock) => {
    const { store } = await onMemory(clock);
    const handler = plainHandler(createHandler({ store, clock }));
    return {
      open: () => openHttpStore({ client: handlerClient(handler), clock: pollingClock(clock) }),
      close: () => store.close(),
    };
  });
}

function factory(serve: (clock: ManualClock) => Promise<Served>): StoreFactory {
  return async () => {
    const clock = manualClock();
    const served = await serve(clock);
    const handles: HttpStore[] = [];
    const open = async () => {
      const store = served.open();
      handles.push(store);
      await store.ready();
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
        await served.close();
      },
    };
  };
}
