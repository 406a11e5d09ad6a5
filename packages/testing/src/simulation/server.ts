import {
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  handlerClient,
  QueueError,
} from "@pullqueue/core";
import { createHandler } from "@pullqueue/server";
import type { Host } from "./network.js";
import type { Store } from "./recorded-store.js";
import type { Storage, StorageHandle } from "./storage.js";
import { ProcessClock, type SimulatedTime } from "./time.js";

/** What a server's process is made of. */
export interface ServerParts {
  readonly name: string;
  readonly time: SimulatedTime;
  readonly storage: Storage;
  /** Puts a store between the handler and the storage. */
  readonly wrap: (store: Store, server: string) => Store;
  /** Told when the process has died. */
  readonly onDeath: (server: string) => void;
}

/** One server process of a simulated world: our handler over a handle of the storage. */
export class ServerProcess implements Host {
  readonly name: string;
  readonly #time: SimulatedTime;
  readonly #clock: ProcessClock;
  readonly #handle: StorageHandle;
  readonly #client: HttpClient;
  readonly #closing = new AbortController();
  readonly #onDeath: (server: string) => void;
  readonly #listeners = new Set<() => void>();
  readonly store: Store;
  #state: Host["state"] = "running";
  #running = 0;
  #idle: (() => void) | undefined;

  /** Starts a process. */
  static async start(parts: ServerParts): Promise<ServerProcess> {
    const clock = new ProcessClock(parts.time);
    const planned: { crash?: () => void } = {};
    const handle = await parts.storage.open(clock, () => planned.crash?.());
    const server = new ServerProcess(parts, clock, handle);
    planned.crash = () => server.crash();
    return server;
  }

  private constructor(
    { name, time, wrap, onDeath }: ServerParts,
    clock: ProcessClock,
    handle: StorageHandle,
  ) {
    this.name = name;
    this.#time = time;
    this.#clock = clock;
    this.#handle = handle;
    this.#onDeath = onDeath;
    this.store = wrap(handle.store, name);
    const handler = createHandler({ store: this.store, clock, closing: this.#closing.signal });
    this.#client = handlerClient(handler, { clock });
  }

  get state(): Host["state"] {
    return this.#state;
  }

  async serve({ method, path, headers, body }: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    this.#running += 1;
    try {
      const request = { method, path, headers: headers ?? {}, timeoutMs: Number.POSITIVE_INFINITY, signal };
      const response = await this.#client.send(body === undefined ? request : { ...request, body });
      const date = new Date(Math.floor(this.#clock.nowUs() / 1000)).toUTCString();
      return { ...response, headers: { ...response.headers, date } };
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle?.();
    }
  }

  onEnd(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => void this.#listeners.delete(callback);
  }

  /** Dies: what is not committed is gone, and nobody gets an answer. */
  crash(): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#time.note();
    this.#clock.die();
    this.#handle.crash();
    this.#onDeath(this.name);
    for (const callback of this.#listeners) callback();
  }

  /** Dies at the so many-th statement from now, which may be in the middle of a request; an infinite one is never reached. */
  crashSoon(statement: number): void {
    this.#handle.crashAt(statement);
  }

  /** Ends in peace: waiting leases are answered, running requests finished. */
  async stop(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "closing";
    this.#closing.abort(new QueueError("closed", "the server is closing"));
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    // It may have died meanwhile.
    if (this.#state === "closing") await this.#handle.close();
    this.#state = "dead";
  }
}
