import { statSync } from "node:fs";
import { type Child, startChild } from "../child.js";
import { programPath } from "../program-path.js";
import { type ServerProcess, whenReady } from "../server-process.js";
import { temporaryFolder } from "../temp.js";
import { enterLine } from "./client-lines.js";
import { SoakLedger } from "./soak-ledger.js";
import { growthOf, type Sample, type Thirds, thirdsOf } from "./trend.js";

/** A day of the store in five minutes of ours. */
const FASTER = 288;

/** What part of the capacity is asked for. */
const LOAD = 0.7;

const PRODUCERS = 2;
const CONSUMERS = 3;

/** How long the capacity is measured, after as long for warming up, in milliseconds. */
const MEASURE_MS = 4_000;

/** How often the server is looked at and the producers are told their rate, in milliseconds. */
const LOOK_MS = 250;

/** How often a client is killed and replaced, in milliseconds. */
const KILL_MS = 2_000;

/** With more tasks waiting than this, producers pause: a machine that is busy otherwise must not look like a leak. */
const BACKLOG_MAX = 20_000;

/** How long the last tasks may take, in milliseconds: leases of killed clients end within two seconds. */
const DRAIN_MS = 30_000;

/** How long a client may take to be ready or to end, in milliseconds. */
const CLIENT_MS = 20_000;

/** What a soak found. */
export interface SoakReport {
  readonly seconds: number;
  /** Tasks a second that went through at full throttle, and what was then asked for. */
  readonly capacityPerSecond: number;
  readonly askedPerSecond: number;
  /** Tasks whose insert, and whose delete, was acknowledged. */
  readonly stored: number;
  readonly deleted: number;
  readonly clientsKilled: number;
  readonly thirds: Thirds;
  /** What the server did wrong; empty is good. */
  readonly complaints: readonly string[];
  /** What grew from the second third to the last; empty is good. */
  readonly growth: readonly string[];
}

/** A client of the soak. */
interface Client {
  readonly role: "producer" | "consumer";
  readonly child: Child;
}

/**
 * Loads a server on an SQLite file for so long at 70 % of what it can do, with clients that are killed (kill -9) under way.
 * Needs the build. Rejects when a process fails by itself.
 */
export async function soak(seconds: number): Promise<SoakReport> {
  using folder = temporaryFolder();
  const path = folder.file("queue.db");
  const server = await whenReady(
    startChild(process.execPath, [programPath("soak-server"), path, String(FASTER)]),
  );
  const run = new SoakRun(server, path);
  try {
    return await run.run(seconds);
  } finally {
    await run.close();
    await server.stop();
  }
}

class SoakRun {
  readonly #server: ServerProcess;
  readonly #path: string;
  readonly #ledger = new SoakLedger();
  readonly #samples: Sample[] = [];
  #clients: Client[] = [];
  #started = 0;
  #killed = 0;

  constructor(server: ServerProcess, path: string) {
    this.#server = server;
    this.#path = path;
  }

  async run(seconds: number): Promise<SoakReport> {
    for (let index = 0; index < CONSUMERS; index++) await this.#start("consumer");
    for (let index = 0; index < PRODUCERS; index++) await this.#start("producer");
    await this.#load(MEASURE_MS, Number.MAX_SAFE_INTEGER);
    const before = this.#ledger.deleted;
    await this.#load(MEASURE_MS, Number.MAX_SAFE_INTEGER);
    const capacity = ((this.#ledger.deleted - before) * 1000) / MEASURE_MS;
    this.#samples.length = 0;
    for (let leftMs = seconds * 1000; leftMs > 0; leftMs -= KILL_MS) {
      await Promise.all([this.#load(Math.min(KILL_MS, leftMs), capacity * LOAD), this.#replaceOne()]);
      this.#ledger.settle();
    }
    await this.#drain();
    this.#ledger.finish();
    const thirds = thirdsOf(this.#samples);
    return {
      seconds,
      capacityPerSecond: Math.round(capacity),
      askedPerSecond: Math.round(capacity * LOAD),
      stored: this.#ledger.stored,
      deleted: this.#ledger.deleted,
      clientsKilled: this.#killed,
      thirds,
      complaints: this.#ledger.complaints,
      growth: growthOf(thirds),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map(({ child }) => child.stop()));
  }

  async #start(role: Client["role"]): Promise<void> {
    const name = `${role[0]}${++this.#started}`;
    const child = startChild(process.execPath, [programPath("soak-client"), this.#server.url, role, name], {
      onLine: (line) => enterLine(this.#ledger, name, line),
    });
    this.#clients.push({ role, child });
    await child.line(/^ready$/, CLIENT_MS);
  }

  /** Lets the producers insert so many tasks a second between them, and looks at the server meanwhile. */
  async #load(ms: number, perSecond: number): Promise<void> {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs) {
      const backlog = this.#ledger.stored - this.#ledger.deleted;
      this.#tellProducers(backlog > BACKLOG_MAX ? 0 : perSecond / PRODUCERS);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      this.#samples.push(await this.#look(backlog));
    }
  }

  #tellProducers(perSecond: number): void {
    for (const { role, child } of this.#clients) if (role === "producer") child.write(String(perSecond));
  }

  /** The oldest client is killed in the middle of what it does; one of its kind takes its place. */
  async #replaceOne(): Promise<void> {
    const { role, child } = this.#clients.shift()!;
    child.signal("SIGKILL");
    const exit = await child.exited(CLIENT_MS);
    if (exit.signal !== "SIGKILL") throw new Error(`a ${role} ended by itself:\n${child.stderr()}`);
    this.#killed += 1;
    await this.#start(role);
  }

  /** Lets clients of a kind finish what they do. */
  async #end(role: Client["role"]): Promise<void> {
    const ending = this.#clients.filter((client) => client.role === role);
    this.#clients = this.#clients.filter((client) => client.role !== role);
    for (const { child } of ending) child.endInput();
    for (const { child } of ending) await child.exited(CLIENT_MS);
  }

  /** No more tasks; waits until all are gone. */
  async #drain(): Promise<void> {
    // Producers first: a batch that is on its way when nothing is left would be left itself.
    await this.#end("producer");
    const untilMs = performance.now() + DRAIN_MS;
    while ((await this.#tasksLeft()) > 0 && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    await this.#end("consumer");
    const left = await this.#tasksLeft();
    if (left > 0) throw new Error(`${left} tasks are left after ${DRAIN_MS / 1000} s`);
  }

  async #tasksLeft(): Promise<number> {
    const path = "/taskqueue/v1beta2/projects/soak/taskqueues/queue?getStats=true";
    const { stats } = (await (await fetch(this.#server.url + path)).json()) as {
      stats: { totalTasks: number };
    };
    return stats.totalTasks;
  }

  async #look(liveTasks: number): Promise<Sample> {
    const page = await (await fetch(`${this.#server.url}/metrics`)).text();
    return {
      rssBytes: metric(page, "process_resident_memory_bytes"),
      heapBytes: metric(page, "nodejs_heap_size_used_bytes"),
      fileBytes: sizeOf(this.#path) + sizeOf(`${this.#path}-wal`),
      liveTasks,
    };
  }
}

function metric(page: string, name: string): number {
  const [, value] = new RegExp(`^${name} (\\S+)$`, "m").exec(page) ?? [];
  if (value === undefined) throw new Error(`the server's metrics have no ${name}`);
  return Number(value);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
