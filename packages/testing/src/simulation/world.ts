import { setMaxListeners } from "node:events";
import type { HttpStore, QueueKey, QueueSettings } from "@pullqueue/core";
import { type Prng, prng } from "../prng.js";
import { Books } from "./books.js";
import { type Actor, castOf } from "./cast.js";
import { ClientProcess } from "./client.js";
import { inspect } from "./inspection.js";
import { Model } from "./model.js";
import { Moment } from "./moment.js";
import { Network } from "./network.js";
import { Promises } from "./promises.js";
import { QueueLaws } from "./queue-laws.js";
import { deadLetterSettings, someSettings } from "./queue-settings.js";
import { recordedStore, type Store } from "./recorded-store.js";
import { ServerProcess } from "./server.js";
import type { Stage } from "./stage.js";
import { memoryStorage, type Storage, sqliteStorage } from "./storage.js";
import { SimulatedTime } from "./time.js";
import { Trace } from "./trace.js";
import { WaitingLeases } from "./waiting-leases.js";

/** What the tests of the simulation itself break, to see that it is noticed. */
export interface Breakage {
  readonly store?: (store: Store) => Store;
  readonly client?: (store: HttpStore) => HttpStore;
}

/** A client that plays. */
interface Player {
  readonly actor: Actor;
  readonly client: ClientProcess;
  isDone: boolean;
}

const PROJECT = "simulation";

/** Clocks of clients are wrong by as much, in milliseconds. */
const CLOCK_OFFSETS_MS = [0, 0, 0, -240_000, 180_000];

/** How often sleepers are looked for, queues compared with the books, and how often servers sweep, in milliseconds. */
const LOOK_MS = 500;
const INSPECTION_MS = 10_000;
const SWEEP_MS = 17_000;

/** Some servers over one storage, some clients, and the network between them: all chosen by a seed. */
export class World implements Disposable {
  readonly chance: Prng;
  readonly time = new SimulatedTime();
  readonly trace = new Trace(this.time);
  readonly books = new Books(this.time, this.trace);
  readonly promises: Promises;
  readonly network: Network;
  readonly storage: Storage;
  readonly stage: Stage;
  readonly players: Player[] = [];
  readonly #breakage: Breakage;
  readonly #model: Model;
  readonly #queueLaws: QueueLaws;
  readonly #waiting: WaitingLeases;
  readonly #over = new AbortController();
  readonly #servers: ServerProcess[] = [];
  #incarnations = 0;

  constructor(seed: number, breakage: Breakage = {}) {
    const { time, trace, books } = this;
    this.chance = prng(seed);
    this.#breakage = breakage;
    const parts = { time, trace, books, moment: new Moment(time) };
    this.promises = new Promises(parts);
    this.#model = new Model(parts);
    this.#queueLaws = new QueueLaws(parts);
    this.#waiting = new WaitingLeases(time, books);
    this.network = new Network(time, prng(this.#subseed()), trace);
    this.stage = this.#newStage();
    const openStorage = this.chance.integer(0, 1) === 0 ? memoryStorage : sqliteStorage;
    this.storage = openStorage(time, this.#queueLaws.observer);
  }

  /** The servers that can be asked. */
  get servers(): readonly ServerProcess[] {
    return this.#servers.filter(({ state }) => state === "running");
  }

  /** All queues, that of the dead letters too. */
  get queues(): readonly QueueKey[] {
    return [...this.stage.queues, this.stage.deadLetters];
  }

  /** Starts servers, makes the queues and lets all clients begin. */
  async begin(): Promise<void> {
    for (const name of ["s1", "s2", "s3"].slice(0, this.chance.pick([1, 2, 3]))) await this.startServer(name);
    this.trace.add("world", `has ${this.servers.length} servers on ${this.storage.kind}`);
    for (const queue of this.queues) {
      const settings = this.stage.settingsOf(queue);
      this.trace.add("world", `makes the queue ${queue.queue}: ${JSON.stringify(settings)}`);
      await this.servers[0]!.store.putQueue(queue, settings);
    }
    for (const actor of castOf(this.chance)) this.startPlayer(actor);
    this.#every(LOOK_MS, () => this.#waiting.check());
    this.#every(INSPECTION_MS, () => void this.inspect());
    this.#every(SWEEP_MS, () => void this.#sweep());
  }

  /** Starts a server's process; it takes the place of a dead one of the same name. */
  async startServer(name: string): Promise<void> {
    const { time, storage } = this;
    const parts = { model: this.#model, queueLaws: this.#queueLaws, waiting: this.#waiting };
    const server = await ServerProcess.start({
      ...{ name, time, storage },
      wrap: (store) => recordedStore(this.#breakage.store?.(store) ?? store, { ...parts, server: name }),
      onDeath: () => {
        this.trace.add(name, "dies");
        this.#waiting.serverDied(name);
      },
    });
    const place = this.#servers.findIndex((other) => other.name === name);
    if (place < 0) this.#servers.push(server);
    else this.#servers[place] = server;
    this.network.hosts = [...this.#servers];
    this.trace.add(name, "starts");
  }

  /** A client process begins to play. A successor of a dead one has another name. */
  startPlayer(actor: Actor): void {
    const name = `${actor.name}.${this.#incarnations++}`;
    const client = this.newClient(name, this.chance.pick(CLOCK_OFFSETS_MS));
    const player: Player = { actor, client, isDone: false };
    this.players.push(player);
    const failed = (error: unknown) => this.books.complain(`${name} failed: ${describe(error)}`);
    void actor
      .play(client, this.stage)
      .catch(failed)
      .finally(() => {
        player.isDone = true;
      });
  }

  /** A client dies with all it holds; another one takes its part after a while. */
  replacePlayer(player: Player, afterMs: number): void {
    if (player.isDone) return;
    this.trace.add(player.client.name, "dies");
    player.client.crash();
    player.isDone = true;
    this.time.after(afterMs, () => this.startPlayer(player.actor));
  }

  newClient(name: string, clockOffsetMs: number): ClientProcess {
    const { time, network } = this;
    const wrap = this.#breakage.client ?? ((store: HttpStore) => store);
    return new ClientProcess({ name, time, network, seed: this.#subseed(), clockOffsetMs, wrap });
  }

  /** Everybody is to finish. */
  endStorm(): void {
    this.#over.abort(new Error("the storm is over"));
  }

  /** Compares all queues with the books, now. */
  async inspect(): Promise<void> {
    const server = this.servers[0];
    if (server === undefined) return;
    try {
      await inspect(server.store, this.queues, this.books, this.time);
    } catch (error) {
      // A planned death may come while it is looked at.
      if (server.state !== "dead") this.books.complain(`an inspection failed: ${describe(error)}`);
    }
    this.time.note();
  }

  [Symbol.dispose](): void {
    for (const { client } of this.players) client.crash();
    for (const server of this.#servers) server.crash();
    this.storage[Symbol.dispose]();
  }

  #newStage(): Stage {
    const { chance, books, promises, trace } = this;
    const deadLetters = { project: PROJECT, queue: "dead" };
    const queues = ["a", "b", "c"]
      .slice(0, chance.pick([1, 1, 2, 3]))
      .map((queue) => ({ project: PROJECT, queue }));
    const settings = new Map<string, QueueSettings>();
    for (const { queue } of queues) settings.set(queue, someSettings(chance, deadLetters));
    settings.set(deadLetters.queue, deadLetterSettings(chance));
    // All actors listen.
    setMaxListeners(0, this.#over.signal);
    return {
      ...{ queues, deadLetters, books, promises, trace },
      settingsOf: ({ queue }) => settings.get(queue)!,
      over: this.#over.signal,
    };
  }

  /** What each server does now and then. */
  async #sweep(): Promise<void> {
    for (const { store, name } of this.servers) {
      // A planned death may come meanwhile; the sweep of another goes on.
      await store.sweep().catch(() => this.trace.add(name, "does not sweep to the end"));
    }
  }

  #every(ms: number, act: () => void): void {
    this.time.after(ms, () => {
      act();
      this.#every(ms, act);
    });
  }

  #subseed(): number {
    return this.chance.integer(0, 2 ** 32 - 1);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
