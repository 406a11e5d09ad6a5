import { openHttpStore, openStore, type QueueStore, systemClock } from "@pullqueue/core";
import { Connection } from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";
import { type Child, startChild } from "../src/child.js";
import { temporarySchema } from "../src/postgres-schema.js";
import { type ProgramName, programPath } from "../src/program-path.js";
import { startRabbitmqInstance } from "../src/rabbitmq-instance.js";
import { startRedisInstance } from "../src/redis-instance.js";
import { READY_MS, startServerProcess } from "../src/server-process.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";
import { startFaultProxy } from "./support/fault-proxy.js";

/** Programs that hold messages while their event loops stand still, beside others that wait for these: side by side, because they wait. */

/** Long enough for a thread to start on a busy machine. */
const LEASE_MS = 5_000;

/** Longer than three leases. */
const BLOCK_MS = 3 * LEASE_MS + 500;

/** Longer than a test. */
const FOR_EVER_MS = 600_000;

/** How much later than it might something may happen on a busy machine, in milliseconds. */
const LATE_MS = 5_000;

/** Kombu's on Redis, which a lease's score is written for. */
const VISIBILITY_TIMEOUT_MS = 3_600_000;

const ENDED_WELL = { code: 0, signal: null };

/** A broker of a test's own: its address for programs, with another option perhaps. */
interface Place extends AsyncDisposable {
  url(option?: string): string;
  /** When the lease of the one message ends, in milliseconds since the epoch, by what the broker has. */
  leaseEndMs(): Promise<number>;
}

async function leaseEndMs(opening: QueueStore | Promise<QueueStore>, project = "default"): Promise<number> {
  await using store = await opening;
  const { tasks } = await store.peek({ project, queue: "work" }, { limit: 1 });
  return tasks[0]!.etaUs / 1000;
}

async function sqlitePlace(): Promise<Place> {
  const folder = temporaryFolder();
  return {
    url: (option = "") => `sqlite://${folder.file("queue.db")}?lease_secs=${LEASE_MS / 1000}${option}`,
    leaseEndMs: () => leaseEndMs(openStore(`sqlite:${folder.file("queue.db")}`)),
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

async function appEnginePlace(): Promise<Place> {
  const folder = temporaryFolder();
  const server = await startServerProcess({ store: `sqlite:${folder.file("queue.db")}` });
  const address = server.url.replace("http", "appengine");
  return {
    url: (option = "") => `${address}/blocked?lease_secs=${LEASE_MS / 1000}${option}`,
    leaseEndMs: () => leaseEndMs(openHttpStore({ endpoint: server.url }), "blocked"),
    async [Symbol.asyncDispose]() {
      await server.stop();
      folder[Symbol.dispose]();
    },
  };
}

/** The eight methods of App Engine alone: a renewal moves the one name that a lease has there. */
async function plainPlace(): Promise<Place> {
  const server = await startServerProcess();
  await using store = openHttpStore({ endpoint: server.url });
  // Such servers have no call that makes a queue.
  for (const queue of ["work", "nowhere"]) {
    const key = { project: "blocked", queue };
    await store.insert(key, [{ payload: new Uint8Array() }]);
    await store.purge(key);
  }
  const proxy = await startFaultProxy(server.url, { plain: true });
  const address = proxy.url.replace("http", "appengine");
  const options = `lease_secs=${LEASE_MS / 1000}&polling_interval=0.1`;
  return {
    url: (option = "") => `${address}/blocked?${options}${option}`,
    leaseEndMs: () => leaseEndMs(openHttpStore({ endpoint: server.url }), "blocked"),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

async function postgresPlace(): Promise<Place> {
  const schema = temporarySchema();
  return {
    url: (option = "") => `${schema.url}&lease_secs=${LEASE_MS / 1000}${option}`,
    leaseEndMs: () => leaseEndMs(openStore(schema.url)),
    [Symbol.asyncDispose]: () => schema[Symbol.asyncDispose](),
  };
}

async function redisPlace(): Promise<Place> {
  const instance = await startRedisInstance();
  return {
    url: (option = "") => `${instance.url}/0?leaseMs=${LEASE_MS}${option}`,
    async leaseEndMs() {
      const range = await instance.cli("ZRANGE", "unacked_index", "0", "0", "WITHSCORES");
      return Number(range.trim().split(/\s+/)[1]) * 1000 + VISIBILITY_TIMEOUT_MS;
    },
    [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose](),
  };
}

const PLACES = [
  ["sqlite", sqlitePlace, false],
  ["appengine", appEnginePlace, false],
  ["appengine without additions", plainPlace, false],
  ["postgres", postgresPlace, isMissing("postgres")],
  ["redis", redisPlace, isMissing("redis-server")],
] as const;

/** A program, and the lines that it has printed so far. It is killed where its test ends. */
interface Program extends AsyncDisposable {
  readonly child: Child;
  readonly lines: readonly string[];
}

function start(name: ProgramName, ...parameters: readonly string[]): Program {
  const lines: string[] = [];
  const child = startChild(process.execPath, [programPath(name), ...parameters], {
    onLine: (line) => lines.push(line),
  });
  return {
    ...{ child, lines },
    async [Symbol.asyncDispose]() {
      child.signal("SIGKILL");
      await child.stop();
    },
  };
}

async function put(url: string, ...texts: readonly string[]): Promise<void> {
  await using connection = new Connection(url);
  const queue = connection.simpleQueue("work");
  for (const text of texts) await queue.put(text);
}

/** Starts a program that takes whatever it can get, and waits until it looks. */
async function startRival(url: string): Promise<Program> {
  const rival = start("transport-worker", url, "work", "nowhere");
  try {
    await rival.child.line(/^ready$/, READY_MS);
    return rival;
  } catch (error) {
    await rival[Symbol.asyncDispose]();
    throw error;
  }
}

describe.each(PLACES)("%s", { timeout: 120_000, concurrent: true }, (_name, open, isLeftOut) => {
  test.skipIf(isLeftOut)(
    "a handler that blocks the event loop for three leases runs once, and what waits behind it is kept too",
    async () => {
      await using place = await open();
      await put(place.url(), "one", "two", "three");
      await using holder = start("blocking-consumer", place.url(), "work", "3", String(BLOCK_MS));
      await holder.child.line(/^handling one$/, READY_MS);
      await using rival = await startRival(place.url());
      expect(holder.lines, "the rival looked while the loop was blocked").toEqual(["handling one"]);
      // What it printed tells more than that it did not end.
      await vi.waitUntil(() => holder.lines.length >= 6, READY_MS).catch(() => {});
      expect(holder.lines).toEqual(
        ["one", "two", "three"].flatMap((text) => [`handling ${text}`, `acked ${text}`]),
      );
      expect(await holder.child.exited(READY_MS), holder.child.stderr()).toEqual(ENDED_WELL);
      await put(place.url(), "last");
      await rival.child.line(/^got last$/, READY_MS);
      expect(rival.lines).toEqual(["ready", "got last"]);
    },
  );

  test.skipIf(isLeftOut)(
    "where the loop alone renews, its messages go to others meanwhile, and it learns that from their signals and refused acknowledgements",
    async () => {
      await using place = await open();
      await put(place.url(), "one");
      const url = place.url("&leaseRenewal=loop");
      await using holder = start("blocking-consumer", url, "work", "1", String(BLOCK_MS));
      await holder.child.line(/^handling one$/, READY_MS);
      await using rival = await startRival(place.url());
      await rival.child.line(/^got one$/, READY_MS);
      expect(await holder.child.exited(READY_MS), holder.child.stderr()).toEqual(ENDED_WELL);
      expect(holder.lines).toEqual(["handling one", "refused lease_lost", "aborted lease_lost"]);
    },
  );

  test.skipIf(isLeftOut)(
    "a killed program's messages go to others when its lease ends, and not before",
    async () => {
      await using place = await open();
      await put(place.url(), "one");
      await using holder = start("blocking-consumer", place.url(), "work", "1", String(FOR_EVER_MS));
      await holder.child.line(/^handling one$/, READY_MS);
      await using rival = await startRival(place.url());
      // Half a lease after its end, so that a renewal of the thread must be what keeps it.
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 1.5));
      expect(rival.lines).toEqual(["ready"]);
      const endMs = await place.leaseEndMs();
      holder.child.signal("SIGKILL");
      await holder.child.exited(READY_MS);
      await rival.child.line(/^got one$/, LEASE_MS + LATE_MS);
      expect(systemClock().nowUs() / 1000).toBeGreaterThanOrEqual(endMs);
    },
  );
});

describe.skipIf(isMissing("rabbitmq-programs"))("amqp", { timeout: 240_000 }, () => {
  test("a handler that blocks the event loop for three heartbeats loses its message, and learns that from its signal and its refused acknowledgement", async () => {
    await using instance = await startRabbitmqInstance();
    await put(instance.url, "one");
    const url = `${instance.url}?heartbeat=${LEASE_MS / 1000}`;
    await using holder = start("blocking-consumer", url, "work", "1", String(BLOCK_MS + LEASE_MS));
    await holder.child.line(/^handling one$/, READY_MS);
    await using rival = await startRival(instance.url);
    await rival.child.line(/^got one$/, READY_MS);
    expect(await holder.child.exited(READY_MS), holder.child.stderr()).toEqual(ENDED_WELL);
    expect(holder.lines).toEqual(["handling one", "refused lease_lost", "aborted lease_lost"]);
  });
});
