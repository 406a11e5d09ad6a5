import { type HttpStore, openHttpStore, type QueueKey } from "@pullqueue/core";
import { type ServerProcess, startServerProcess } from "@pullqueue/testing";
import { type CpuMeter, processMeter, treeMeter } from "./cpu-time.js";
import type { StoreToMeasure } from "./store-to-measure.js";

/** Bytes of each payload. */
const PAYLOAD_BYTES = 1024;

/** Longer than any measurement, in milliseconds, so that each task is handed out once. */
const LEASE_MS = 600_000;

const QUEUE: QueueKey = { project: "bench", queue: "load" };

/** Who works, and on whom. */
export interface Load {
  /** Servers on one store, each a process. */
  readonly servers: number;
  /** Callers over HTTP, each with connections of its own and one call under way, spread over the servers. */
  readonly callers: number;
  /** Tasks in each call. */
  readonly batch: number;
  /** How long they publish, in milliseconds. What they published they drain. */
  readonly publishMs: number;
}

/** Tasks a second, and cores that each part kept busy. */
export interface LoadFigures {
  readonly publishedPerSecond: number;
  readonly drainedPerSecond: number;
  readonly publishing: Cores;
  readonly draining: Cores;
  /** What the database logged for one task from its insert to its delete, in bytes. */
  readonly logBytesPerTask: number | undefined;
}

/** Busy cores of each part. */
interface Cores {
  readonly clients: number;
  readonly servers: number;
  readonly database: number;
}

/** Publishes for a while, then drains all of it, and measures both. */
export async function measureLoad(store: StoreToMeasure, load: Load): Promise<LoadFigures> {
  const servers = await startServers(store.address, load.servers);
  const callers = Array.from({ length: load.callers }, (_, index) =>
    openHttpStore({ endpoint: servers[index % servers.length]!.url }),
  );
  const meters = {
    clients: processMeter([process.pid]),
    servers: processMeter(servers.map(({ pid }) => pid)),
    database: store.databasePid === undefined ? processMeter([]) : treeMeter(store.databasePid),
  };
  try {
    // What comes into being on first use does so before the clock runs.
    await Promise.all(callers.map((caller) => publish(caller, 1)));
    await drain(callers, load.batch);
    readCores(meters);
    const logBefore = await store.logBytes();
    const publishing = await timed(() => publishFor(callers, load));
    const publishingCores = readCores(meters);
    const draining = await timed(() => drain(callers, load.batch));
    const drainingCores = readCores(meters);
    const logAfter = await store.logBytes();
    return {
      publishedPerSecond: publishing.perSecond,
      drainedPerSecond: draining.perSecond,
      publishing: publishingCores,
      draining: drainingCores,
      logBytesPerTask: logAfter === undefined ? undefined : (logAfter - logBefore!) / publishing.count,
    };
  } finally {
    await Promise.all(callers.map((caller) => caller.close()));
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function startServers(address: string, count: number): Promise<readonly ServerProcess[]> {
  const parameters = ["--log-level", "warn"];
  return Promise.all(Array.from({ length: count }, () => startServerProcess({ store: address, parameters })));
}

async function publishFor(callers: readonly HttpStore[], { batch, publishMs }: Load): Promise<number> {
  const endMs = performance.now() + publishMs;
  const counts = callers.map(async (caller) => {
    let count = 0;
    for (; performance.now() < endMs; count += batch) await publish(caller, batch);
    return count;
  });
  return sum(await Promise.all(counts));
}

async function publish(caller: HttpStore, batch: number): Promise<void> {
  const tasks = Array.from({ length: batch }, () => ({ payload: new Uint8Array(PAYLOAD_BYTES).fill(120) }));
  for (const result of await caller.insert(QUEUE, tasks)) if (!result.ok) throw result.error;
}

async function drain(callers: readonly HttpStore[], batch: number): Promise<number> {
  const counts = callers.map(async (caller) => {
    for (let count = 0; ; ) {
      const request = { maxTasks: batch, leaseMs: LEASE_MS, payloadBytesMax: 2 * batch * PAYLOAD_BYTES };
      const tasks = await caller.lease([QUEUE], request);
      if (tasks.length === 0) return count;
      const fences = tasks.map(({ id, retryCount }) => ({ id, retryCount }));
      for (const result of await caller.delete(QUEUE, fences)) if (!result.ok) throw result.error;
      count += tasks.length;
    }
  });
  return sum(await Promise.all(counts));
}

async function timed(
  work: () => Promise<number>,
): Promise<{ readonly count: number; readonly perSecond: number }> {
  const startMs = performance.now();
  const count = await work();
  return { count, perSecond: count / ((performance.now() - startMs) / 1000) };
}

function readCores(meters: Readonly<Record<keyof Cores, CpuMeter>>): Cores {
  return {
    clients: meters.clients.busyCores(),
    servers: meters.servers.busyCores(),
    database: meters.database.busyCores(),
  };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** The figures as columns of a table. Processor time for a task is what stays alike on a machine that others use too. */
export function loadColumns(figures: LoadFigures): Readonly<Record<string, number | string>> {
  const { publishedPerSecond, drainedPerSecond, publishing, draining, logBytesPerTask } = figures;
  return {
    "published/s": Math.round(publishedPerSecond),
    "µs of clients, servers, database": microseconds(publishing, publishedPerSecond),
    "drained/s": Math.round(drainedPerSecond),
    "µs of the same": microseconds(draining, drainedPerSecond),
    ...(logBytesPerTask === undefined ? {} : { "bytes logged for a task": Math.round(logBytesPerTask) }),
  };
}

/** Processor time for one task. */
function microseconds({ clients, servers, database }: Cores, perSecond: number): string {
  return [clients, servers, database].map((cores) => ((cores * 1e6) / perSecond).toFixed(0)).join(", ");
}
