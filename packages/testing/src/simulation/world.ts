import { setMaxListeners } from "node:events";
import { DEFAULT_QUEUE_SETTINGS, type HttpStore, type QueueKey } from "@pullqueue/core";
import { type Prng, prng } from "../prng.js";
import { administrate } from "./administrator.js";
import { ClientProcess } from "./client.js";
import { inspect } from "./inspection.js";
import { consume } from "./kombu-worker.js";
import { Model } from "./model.js";
import { Network } from "./network.js";
import { produce } from "./producer.js";
import { Promises } from "./promises.js";
import { recordedStore, type Store } from "./recorded-store.js";
import { ServerProcess } from "./server.js";
import type { Stage } from "./stage.js";
import { memoryStorage, type Storage, sqliteStorage } from "./storage.js";
import { SimulatedTime } from "./time.js";
import { Trace } from "./trace.js";
import { WaitingLeases } from "./waiting-leases.js";
import { work } from "./worker.js";

/** What the tests of the simulation itself break, to see that it is noticed. */
export interface Breakage {
  readonly store?: (store: Store) => Store;
  readonly client?: (store: HttpStore) => HttpStore;
}

/** A client of a world, and what it does. */
interface Actor {
  readonly name: string;
  readonly play: (client: ClientProcess, stage: Stage) => Promise<void>;
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

/** Some servers over one storage, some clients, and the network between them: all chosen by a seed. */
export class World implements Disposable {
  readonly chance: Prng;
  readonly time = new SimulatedTime();
  readonly trace = new Trace(this.time);
  readonly model = new Model(this.time, this.trace);
  readonly waiting = new WaitingLeases(this.time, this.model);
  readonly promises = new Promises(this.time, this.model);
  readonly network: Network;
  readonly queues: readonly QueueKey[];
  readonly storage: Storage;
  readonly players: Player[] = [];
  readonly #breakage: Breakage;
  readonly #over = new AbortController();
  readonly #servers: ServerProcess[] = [];
  #incarnations = 0;

  constructor(seed: number, breakage: Breakage = {}) {
    this.chance = prng(seed);
    // All actors listen.
    setMaxListeners(0, this.#over.signal);
    this.#breakage = breakage;
    this.network = new Network(this.time, this.#subseeded(), this.trace);
    const names = ["a", "b", "c"].slice(0, this.chance.pick([1, 1, 2, 3]));
    this.queues = names.map((queue) => ({ project: PROJECT, queue }));
    const isMemory = this.chance.integer(0, 1) === 0;
    this.storage = (isMemory ? memoryStorage : sqliteStorage)(this.time, this.model);
  }

  /** The servers that can be asked. */
  get servers(): readonly ServerProcess[] {
    return this.#servers.filter(({ state }) => state === "running");
  }

  /** What the actors see. */
  get stage(): Stage {
    const { queues, model, promises, trace } = this;
    return { queues, model, promises, trace, over: this.#over.signal };
  }

  /** Starts servers, makes the queues and lets all clients begin. */
  async begin(): Promise<void> {
    for (const name of ["s1", "s2", "s3"].slice(0, this.chance.pick([1, 2, 3]))) await this.startServer(name);
    for (const queue of this.queues) {
      const maxLeases = this.chance.pick([undefined, undefined, 2, 5]);
      await this.servers[0]!.store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases });
    }
    this.trace.add(
      "world",
      `${this.servers.length} servers on ${this.storage.kind}, ${this.queues.length} queues`,
    );
    for (const actor of this.#cast()) this.startPlayer(actor);
    this.#watch();
  }

  async startServer(name: string): Promise<void> {
    const { time, storage } = this;
    const server = await ServerProcess.start({
      ...{ name, time, storage },
      wrap: (store, asked) => {
        const { model, waiting } = this;
        return recordedStore(this.#breakage.store?.(store) ?? store, { model, waiting, server: asked });
      },
      onDeath: (dead) => {
        this.trace.add(dead, "dies");
        this.waiting.serverDied(dead);
      },
    });
    const place = this.#servers.findIndex((other) => other.name === name);
    this.#servers.splice(place < 0 ? this.#servers.length : place, place < 0 ? 0 : 1, server);
    this.network.hosts = [...this.#servers];
    this.trace.add(name, "starts");
  }

  /** A client process begins to play. A successor of a dead one has another name. */
  startPlayer(actor: Actor): void {
    const client = this.newClient(
      `${actor.name}.${this.#incarnations++}`,
      this.chance.pick(CLOCK_OFFSETS_MS),
    );
    const player: Player = { actor, client, isDone: false };
    this.players.push(player);
    actor.play(client, this.stage).then(
      () => {
        player.isDone = true;
      },
      (error: unknown) => {
        player.isDone = true;
        this.model.complain(`${client.name} failed: ${error instanceof Error ? error.stack : String(error)}`);
      },
    );
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
    const seed = this.chance.integer(0, 2 ** 32 - 1);
    const wrap = this.#breakage.client ?? ((store: HttpStore) => store);
    return new ClientProcess({ name, time, network, seed, clockOffsetMs, wrap });
  }

  /** Everybody is to finish. */
  endStorm(): void {
    this.#over.abort(new Error("the storm is over"));
  }

  /** Compares all queues with the model, now. */
  async inspect(): Promise<void> {
    const server = this.servers[0];
    if (server === undefined) return;
    try {
      for (const queue of this.queues) await inspect(server.store, queue, this);
    } catch (error) {
      // A planned death may come while it is looked at.
      if (server.state !== "dead") this.model.complain(`an inspection failed: ${String(error)}`);
    }
    this.time.note();
  }

  [Symbol.dispose](): void {
    for (const { client } of this.players) client.crash();
    for (const server of this.#servers) server.crash();
    this.storage[Symbol.dispose]();
  }

  #cast(): readonly Actor[] {
    const { chance } = this;
    const several = (name: string, most: number, play: Actor["play"]) =>
      Array.from({ length: chance.integer(most === 3 ? 1 : 0, most) }, (_, index) => ({
        name: `${name}${index}`,
        play,
      }));
    return [
      ...several("p", 3, produce),
      ...several("w", 3, work),
      ...several("k", 2, consume),
      ...several("a", 1, administrate),
    ];
  }

  /** Looks for sleepers and compares with the model, again and again. */
  #watch(): void {
    const every = (ms: number, act: () => void): void => {
      this.time.after(ms, () => {
        act();
        every(ms, act);
      });
    };
    every(500, () => this.waiting.check());
    every(10_000, () => void this.inspect());
  }

  #subseeded(): Prng {
    return prng(this.chance.integer(0, 2 ** 32 - 1));
  }
}
