import { setMaxListeners } from "node:events";
import { type HttpClient, type HttpStore, openHttpStore } from "@pullqueue/core";
import { type Prng, prng } from "../prng.js";
import type { Caller, Network } from "./network.js";
import { ProcessClock, type SimulatedTime } from "./time.js";

/** What a client's process is made of. */
export interface ClientParts {
  readonly name: string;
  readonly time: SimulatedTime;
  readonly network: Network;
  readonly seed: number;
  /** How wrong its clock is, in milliseconds. */
  readonly clockOffsetMs: number;
  /** What stands between the program and its store; only the tests of the simulation itself put something there. */
  readonly wrap: (store: HttpStore) => HttpStore;
}

/** One client process of a simulated world, with its clock, its chance, and its store over HTTP. */
export class ClientProcess implements Caller {
  readonly name: string;
  readonly clock: ProcessClock;
  readonly chance: Prng;
  readonly store: HttpStore;
  readonly #http: () => HttpClient;
  readonly #wrap: (store: HttpStore) => HttpStore;
  readonly #death = new AbortController();

  constructor({ name, time, network, seed, clockOffsetMs, wrap }: ClientParts) {
    this.name = name;
    this.clock = new ProcessClock(time, clockOffsetMs);
    this.chance = prng(seed);
    this.#http = () => network.client(this);
    this.#wrap = wrap;
    // Each request on its way listens.
    setMaxListeners(0, this.#death.signal);
    this.store = this.openStore();
  }

  get death(): AbortSignal {
    return this.#death.signal;
  }

  /** Chance for the library: from 0 to below 1. */
  readonly random = (): number => this.chance.integer(0, 2 ** 30 - 1) / 2 ** 30;

  /** Another store of the same process. */
  openStore(): HttpStore {
    return this.#wrap(openHttpStore({ client: this.#http(), clock: this.clock, random: this.random }));
  }

  /** Waits by its own clock. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.clock.timer(ms, end);
      signal?.addEventListener("abort", end, { once: true });
      if (signal?.aborted === true) end();
    });
  }

  /** Dies with all it holds. */
  crash(): void {
    this.clock.die();
    this.#death.abort(new Error("the client has died"));
  }
}
