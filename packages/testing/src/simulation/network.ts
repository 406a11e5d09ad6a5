import { type HttpClient, type HttpRequest, type HttpResponse, QueueError } from "@pullqueue/core";
import type { Prng } from "../prng.js";
import type { ProcessClock, SimulatedTime } from "./time.js";
import type { Trace } from "./trace.js";
import { CALM, type Passage, passage, type Weather } from "./weather.js";

/** Who answers requests: a server process. */
export interface Host {
  readonly name: string;
  /** Closing ones finish what they have begun, and take nothing new. */
  readonly state: "running" | "closing" | "dead";
  /** Answers, or rejects when the connection's signal has fired. */
  serve(request: HttpRequest, connection: AbortSignal): Promise<HttpResponse>;
  /** Calls back when the process ends; the returned function forgets that. */
  onEnd(callback: () => void): () => void;
}

/** Who asks. */
export interface Caller {
  readonly name: string;
  readonly clock: ProcessClock;
  /** Fires when the process dies: then nobody reads answers any more. */
  readonly death: AbortSignal;
}

/** How often a client takes another server than last time, of a thousand. */
const ROAMING = 30;

/** How long a half open connection is believed in, in milliseconds, before the other side hears of its end. */
const HALF_OPEN_MS = 30_000;

/** The network between the clients and the servers of a world: late, lossy, and repeating, as the weather is. */
export class Network {
  weather: Weather = CALM;
  hosts: readonly Host[] = [];
  /** Clients keep to one server while this is so. */
  isSteady = false;
  readonly #time: SimulatedTime;
  readonly #chance: Prng;
  readonly #trace: Trace;

  constructor(time: SimulatedTime, chance: Prng, trace: Trace) {
    this.#time = time;
    this.#chance = chance;
    this.#trace = trace;
  }

  /** A client's way into the network. It goes to one server as long as that is there, as through a load balancer. */
  client(caller: Caller): HttpClient {
    let host: Host | undefined;
    let isClosed = false;
    return {
      send: async (request) => {
        if (isClosed) throw new QueueError("closed", "the HTTP client is closed");
        request.signal?.throwIfAborted();
        const roams = !this.isSteady && this.#chance.integer(0, 999) < ROAMING;
        if (host?.state !== "running" || roams) host = this.#anyHost();
        return this.#exchange(caller, host, request);
      },
      close: async () => {
        isClosed = true;
      },
    };
  }

  #anyHost(): Host | undefined {
    const running = this.hosts.filter(({ state }) => state === "running");
    return running.length === 0 ? undefined : this.#chance.pick(running);
  }

  #exchange(caller: Caller, host: Host | undefined, request: HttpRequest): Promise<HttpResponse> {
    const plan = passage(this.weather, this.#chance);
    const what = `${request.method} ${shownPath(request.path)}`;
    this.#trace.add(
      caller.name,
      `${what} to ${host?.name ?? "nobody"}${plan.harm === "none" ? "" : `, ${plan.harm}`}`,
    );
    this.#time.note();
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(this.#time, caller, request, (outcome) => {
        this.#time.note();
        this.#trace.add(
          caller.name,
          `${what}: ${"error" in outcome ? String((outcome.error as { code?: unknown }).code) : outcome.response.status}`,
        );
        if ("error" in outcome) reject(outcome.error);
        else resolve(outcome.response);
      });
      if (host === undefined || plan.harm === "refused") exchange.fail(plan.thereMs, "refused");
      else exchange.send(host, plan);
    });
  }
}

type Outcome = { readonly response: HttpResponse } | { readonly error: unknown };

/** One request, and its connection. */
class Exchange {
  readonly #time: SimulatedTime;
  readonly #request: HttpRequest;
  readonly #connection = new AbortController();
  readonly #settle: (outcome: Outcome) => void;
  #hangUpAfterMs = 0;
  #isOver = false;

  constructor(time: SimulatedTime, caller: Caller, request: HttpRequest, settle: (outcome: Outcome) => void) {
    this.#time = time;
    this.#request = request;
    const { signal, timeoutMs } = request;
    const late = () => this.#end({ error: new QueueError("timeout", `no answer within ${timeoutMs} ms`) });
    const cancelTimer = caller.clock.timer(timeoutMs, late);
    const abort = () => this.#end({ error: signal?.reason });
    signal?.addEventListener("abort", abort, { once: true });
    const die = () => this.#end({ error: caller.death.reason });
    caller.death.addEventListener("abort", die, { once: true });
    this.#settle = (outcome) => {
      cancelTimer();
      signal?.removeEventListener("abort", abort);
      caller.death.removeEventListener("abort", die);
      // A dead process hears of nothing.
      if (!caller.death.aborted) settle(outcome);
    };
  }

  /** The connection fails after a while. */
  fail(afterMs: number, how: "refused" | "reset"): void {
    this.#time.after(afterMs, () =>
      this.#end({ error: new QueueError("unavailable", `the connection was ${how}`) }),
    );
  }

  send(host: Host, plan: Passage): void {
    this.#request.onSent?.();
    if (plan.isHeard) this.#hangUpAfterMs = plan.backMs;
    else this.#hangUpAfterMs = plan.harm === "requestLate" ? Number.POSITIVE_INFINITY : HALF_OPEN_MS;
    if (plan.harm === "cut") this.fail(plan.harmMs, "reset");
    if (plan.harm === "repeated") this.#time.after(plan.harmMs, () => this.#repeat(host));
    if (plan.harm !== "requestLost") this.#time.after(plan.thereMs, () => void this.#deliver(host, plan));
    else if (plan.isHeard) this.fail(plan.harmMs, "reset");
  }

  async #deliver(host: Host, plan: Passage): Promise<void> {
    if (host.state !== "running") return this.fail(plan.backMs, "reset");
    const forget = host.onEnd(() => this.fail(plan.isHeard ? plan.backMs : HALF_OPEN_MS, "reset"));
    let response: HttpResponse;
    try {
      response = await host.serve(this.#request, this.#connection.signal);
    } catch {
      return; // The connection was closed from this side, so that nobody waits.
    } finally {
      forget();
    }
    this.#time.note();
    if (hasDied(host)) return;
    if (plan.harm !== "answerLost") this.#time.after(plan.backMs, () => this.#end({ response }));
    else if (plan.isHeard) this.fail(plan.backMs, "reset");
  }

  /** The same bytes again; nobody reads the answer, nor does anybody close the connection. */
  #repeat(host: Host): void {
    if (host.state !== "running") return;
    const silent = new AbortController();
    host.serve(this.#request, silent.signal).then(
      () => this.#time.note(),
      () => this.#time.note(),
    );
  }

  /** The client has its outcome. The server hears that the connection is closed, some time later. */
  #end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#settle(outcome);
    if ("error" in outcome) {
      this.#time.after(this.#hangUpAfterMs, () =>
        this.#connection.abort(new Error("the connection was closed")),
      );
    }
  }
}

/** Asked anew, because it may have died meanwhile. */
function hasDied(host: Host): boolean {
  return host.state === "dead";
}

/** Without query and generated ids, which differ from run to run. */
function shownPath(path: string): string {
  return path
    .replace(/\?.*$/, "")
    .replace(/^.*\/projects\/[^/]+\/?/, "")
    .replace(/[0-9a-f]{16}/g, "*");
}
