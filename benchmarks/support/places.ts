import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, startChild, startServerProcess, temporaryFolder } from "@pullqueue/testing";
import { startPostgresInstance } from "@pullqueue/testing/postgres-instance";
import { startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startRedisInstance } from "@pullqueue/testing/redis-instance";
import { startJetstreamInstance } from "./jetstream-instance.js";
import type { Place } from "./place.js";
import { POSTGRES_SETTINGS } from "./store-to-measure.js";

/** What can be started for contenders, each at most once in a run and by us alone. */
export type PlaceName = keyof typeof STARTS;

/** Says what a contender lacks on this machine, as a sentence with what to do. */
export class MissingError extends Error {}

/** Starts what is asked for at its first use and keeps it for the run; disposing ends all of it. */
export class Places implements AsyncDisposable {
  readonly #started = new Map<string, Promise<Place>>();
  readonly #ofQuestions = new Set<string>();
  readonly #say: (line: string) => void;
  #isOver = false;

  /** `say` is told what is started, because that may take a while. */
  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Rejects with a `MissingError` where this machine has no such program. */
  named(name: PlaceName): Promise<Place> {
    return this.#once(name, () => STARTS[name](this));
  }

  /** One that a question makes for itself, kept under a name until that question is answered. */
  own(name: string, start: () => Promise<Place>): Promise<Place> {
    this.#ofQuestions.add(name);
    return this.#once(name, start);
  }

  /** Ends what a question made for itself: what stands idle beside the next one would disturb it. */
  async endOwn(): Promise<void> {
    await this.#end([...this.#ofQuestions]);
    this.#ofQuestions.clear();
  }

  /**
   * Ends all, those first that were started last: a server goes before its database. One that will not end does not keep the others.
   * Nothing can be started any more.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#end([...this.#started.keys()].reverse());
  }

  async #once(name: string, start: () => Promise<Place>): Promise<Place> {
    if (this.#isOver) throw new Error("the benchmarks are being stopped");
    const known = this.#started.get(name);
    if (known !== undefined) return known;
    this.#say(`starting ${name}`);
    const starting = start();
    this.#started.set(name, starting);
    return starting;
  }

  async #end(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const place = await this.#started.get(name)?.catch(() => undefined); // It was missing, and whoever asked was told.
      this.#started.delete(name);
      await Promise.resolve(place?.[Symbol.asyncDispose]()).catch((error: unknown) => {
        this.#say(`${name} did not end as it should: ${String(error).split("\n")[0]}`);
      });
    }
  }
}

const STARTS = {
  /** As users run it: the command, with its defaults, on a file of its own. */
  "server on sqlite": () => startServer((folder) => `sqlite:${folder}/queue.db`),
  "server in memory": () => startServer(() => "memory:"),
  "server on postgres": async (places: Places) => {
    const { url } = await places.named("postgres");
    return startServer(() => url);
  },
  postgres: () => {
    needFile("/usr/lib/postgresql", "postgresql");
    return startPostgresInstance({ settings: POSTGRES_SETTINGS });
  },
  rabbitmq: () => {
    needFile("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server");
    needProgram("epmd", "erlang-base");
    return startRabbitmqInstance();
  },
  jetstream: () => {
    needProgram("nats-server", "nats-server");
    return startJetstreamInstance();
  },
  "redis, snapshots": () => startRedis({ appendonly: "no", save: "3600 1 300 100 60 10000" }),
  "redis, everysec": () => startRedis({ appendfsync: "everysec" }),
  "redis, always": () => startRedis({ appendfsync: "always" }),
  "sync server": async () => {
    const folder = temporaryFolder();
    const child = startProgram("peers/sync-server.mjs", folder.file("log"));
    return listening(child, () => folder[Symbol.dispose]());
  },
  "bare server": async () => listening(startProgram("peers/bare-server.mjs")),
};

/** How long a small server may take to listen, in milliseconds. */
const READY_MS = 30_000;

/** A program of the benchmarks, as a process of its own. */
function startProgram(path: string, ...parameters: readonly string[]): Child {
  return startChild(process.execPath, [programPath(path), ...parameters]);
}

/** The file of a program below `benchmarks/`. */
export function programPath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

async function listening(child: Child, afterwards = () => {}): Promise<Place> {
  const dispose = async () => {
    await child.stop();
    afterwards();
  };
  try {
    const [, url = ""] = await child.line(/^listening on (\S+)$/, READY_MS);
    return { url, pid: child.pid, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A server in a folder of its own; its address is one that kombu's transport takes, too. */
export async function startServer(store: (folder: string) => string): Promise<Place> {
  const folder = temporaryFolder();
  const server = await startServerProcess({ store: store(folder.path) });
  return {
    url: server.url,
    pid: server.pid,
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      folder[Symbol.dispose]();
    },
  };
}

function startRedis(settings: Readonly<Record<string, string>>): Promise<Place> {
  needProgram("redis-server", "redis-server");
  return startRedisInstance({ settings });
}

function needFile(path: string, debianPackage: string): void {
  if (!existsSync(path)) throw missing(path, debianPackage);
}

function needProgram(name: string, debianPackage: string): void {
  const isThere = (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== "";
    } catch {
      return false;
    }
  });
  if (!isThere) throw missing(name, debianPackage);
}

function missing(what: string, debianPackage: string): MissingError {
  return new MissingError(`${what} is not there: apt-get install ${debianPackage}`);
}
