import { type ServerProcess, startServerProcess } from "../server-process.js";
import { type Balancer, startBalancer } from "./balancer.js";

/**
 * Servers on one store, each with a balancer before it that prefers nobody. Servers come and go; the addresses that
 * clients know stay.
 */
export class ServerGroup implements AsyncDisposable {
  readonly #store: string;
  readonly #servers: (ServerProcess | undefined)[];
  #balancer: Balancer | undefined;

  private constructor(store: string, servers: readonly ServerProcess[]) {
    this.#store = store;
    this.#servers = [...servers];
  }

  /** Starts so many servers, all at once. */
  static async start(store: string, count: number): Promise<ServerGroup> {
    const starting = Array.from({ length: count }, () => startServer(store));
    const started = await Promise.allSettled(starting);
    const servers = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const group = new ServerGroup(store, servers);
    try {
      await Promise.all(starting);
      group.#balancer = await startBalancer(() =>
        group.#servers.flatMap((server) => (server === undefined ? [] : [Number(new URL(server.url).port)])),
      );
      return group;
    } catch (error) {
      await group[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where all of them are reached. */
  get url(): string {
    return this.#balancer!.url;
  }

  /** How many there are, running or not. */
  get size(): number {
    return this.#servers.length;
  }

  /** One of them, to talk to it alone. */
  server(index: number): ServerProcess {
    return this.#servers[index]!;
  }

  /** `kill -9`. */
  async kill9(index: number): Promise<void> {
    await this.#servers[index]?.kill9();
    this.#servers[index] = undefined;
  }

  /** Starts one that was killed. */
  async restart(index: number): Promise<void> {
    this.#servers[index] ??= await startServer(this.#store);
  }

  /** Stops one in its tracks: it holds its connections and says nothing. */
  suspend(index: number): void {
    this.#servers[index]?.signal("SIGSTOP");
  }

  /** Lets a suspended one go on. */
  resume(index: number): void {
    this.#servers[index]?.signal("SIGCONT");
  }

  /** What all of them wrote to standard error. */
  stderr(): string {
    return this.#servers.map((server, index) => `server ${index}:\n${server?.stderr() ?? ""}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const index of this.#servers.keys()) this.resume(index);
    await this.#balancer?.[Symbol.asyncDispose]();
    await Promise.all(this.#servers.map(async (server) => server?.stop()));
  }
}

function startServer(store: string): Promise<ServerProcess> {
  return startServerProcess({ store, parameters: ["--log-level", "warn"] });
}
