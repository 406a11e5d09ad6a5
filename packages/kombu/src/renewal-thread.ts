import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { type Clock, readClock } from "@pullqueue/core";
import { backoffMs } from "./backoff.js";
import { KombuError } from "./errors.js";
import {
  RENEW_THREAD_BACKOFF,
  RENEW_THREAD_CLOSE_MS,
  RENEW_THREAD_STARTS,
  RENEW_THREAD_STEADY_MS,
} from "./limits.js";
import type { FromRenewalThread, RenewalThreadData, ToRenewalThread } from "./renewal-messages.js";
import { RenewalSheets } from "./renewal-sheets.js";
import type { Lease, LeaseStandby, LeaseTerms, LeaseTickets } from "./transport.js";

/** What a thread for renewals needs. */
export interface RenewalThreadOptions {
  readonly clock: Clock;
  /** Chance from 0 to below 1, for pauses. */
  readonly random: () => number;
  /** Everything that the thread's own transport is opened with; plain data. */
  readonly data: Pick<RenewalThreadData, "transport" | "isToldTokens">;
  /** How leases are written down. */
  readonly tickets: LeaseTickets;
  /** Told once when the thread cannot be started. Default: nobody is. */
  readonly warn?: ((warning: KombuError) => void) | undefined;
}

/** A running thread, and our end of the line to it. */
interface Line {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly exited: Promise<void>;
}

const US_PER_MS = 1000;

/** Sources have no built file beside them; theirs is where the build puts it. */
const ENTRY = new URL(
  import.meta.url.endsWith(".ts") ? "../dist/renewal-worker.js" : "./renewal-worker.js",
  import.meta.url,
);

/**
 * Renews leases in a worker thread, with a handle of its own on the broker. The event loop goes on renewing as if there were none, and
 * tells the thread: that renews only what the loop has not when two thirds of a lease are over. So nothing is lost while a handler
 * blocks the loop, and nothing changes while it does not; a thread that dies is missed by nobody, and started again, ever later and not for
 * ever when it dies young.
 *
 *     none ──first lease──> starting ──> ready ──close──> none
 *                              ^───── dies ──┘
 */
export class RenewalThread implements LeaseStandby {
  readonly #options: RenewalThreadOptions;
  readonly #sheets = new RenewalSheets();
  readonly #quieted = new Map<number, () => void>();
  #isTelling = false;
  #token: string | undefined;
  #line: Line | undefined;
  /** Since when the thread has had its broker. Undefined: not yet. */
  #readySinceUs: number | undefined;
  #failures = 0;
  #cancelRestart: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RenewalThreadOptions) {
    this.#options = options;
  }

  keep(lease: Lease, terms: LeaseTerms): void {
    const ticket = this.#options.tickets.write(lease);
    const { leaseEndsAtUs } = lease;
    if (ticket === undefined || leaseEndsAtUs === undefined || this.#closing !== undefined) return;
    this.#sheets.keep(lease, { ticket, leaseEndsAtUs, lengthUs: terms.lengthUs, untilUs: terms.untilUs });
    this.#tellSoon();
  }

  drop(lease: Lease): void {
    this.#sheets.drop(lease);
  }

  refresh(): void {
    const port = this.#line?.port;
    while (port !== undefined) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) return;
      this.#hear(received.message as FromRenewalThread);
    }
  }

  quiet(lease: Lease): Promise<void> {
    const id = this.#sheets.drop(lease);
    const line = this.#line;
    if (id === undefined || line === undefined) return Promise.resolve();
    const answered = new Promise<void>((resolve) => this.#quieted.set(id, resolve));
    this.#post({ quiet: id });
    // A thread that is gone has nothing on its way.
    return Promise.race([answered, line.exited]).finally(() => this.#quieted.delete(id));
  }

  /** A token that was just used. Kept for as long as there is no newer one. */
  tellToken(token: string): void {
    if (token === this.#token) return;
    this.#token = token;
    this.#post({ token });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelRestart?.();
    this.#sheets.clear();
    const line = this.#line;
    if (line === undefined) return;
    // Somebody waits now, so that it keeps the process alive until its handle on the broker is closed.
    line.worker.ref();
    this.#post({ close: true });
    const cancel = this.#options.clock.timer(RENEW_THREAD_CLOSE_MS, () => void line.worker.terminate());
    await line.exited.finally(cancel);
  }

  /** In the same turn of the event loop, before a handler can run: it may block for as long as it likes. */
  #tellSoon(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    this.#isTelling = false;
    if (this.#closing !== undefined) return;
    const news = this.#sheets.news();
    // Whoever starts is told everything that is kept then.
    if (this.#line !== undefined) this.#post(news);
    else if (this.#sheets.size > 0 && this.#cancelRestart === undefined) this.#start();
  }

  #post(message: ToRenewalThread): void {
    this.#line?.port.postMessage(message);
  }

  #start(): void {
    const { port1: port, port2 } = new MessageChannel();
    const { data, clock } = this.#options;
    const workerData: RenewalThreadData = { ...data, clock: readClock(clock), port: port2 };
    // Without our own flags: what a program preloads for itself, such as tracing, is not for this thread.
    const worker = new Worker(ENTRY, {
      workerData,
      transferList: [port2],
      execArgv: [],
      name: "lease renewals",
    });
    let why: unknown;
    worker.on("error", (error) => {
      why = error;
    });
    const exited = new Promise<void>((resolve) => {
      worker.once("exit", (code) => {
        port.close();
        resolve();
        this.#ended(why ?? new Error(`it ended with code ${code}`));
      });
    });
    worker.unref();
    port.on("message", (message: FromRenewalThread) => this.#hear(message));
    port.unref();
    this.#line = { worker, port, exited };
    this.#post({
      ...this.#sheets.everything(),
      ...(this.#token === undefined ? {} : { token: this.#token }),
    });
  }

  #ended(why: unknown): void {
    this.#line = undefined;
    if (this.#closing !== undefined) return;
    const { clock, random, warn } = this.#options;
    const wasReady = this.#readySinceUs !== undefined;
    const livedMs = (clock.nowUs() - (this.#readySinceUs ?? clock.nowUs())) / US_PER_MS;
    this.#readySinceUs = undefined;
    // One that was ready and died at once has failed like one that did not start: it would be started for ever.
    if (livedMs >= RENEW_THREAD_STEADY_MS) this.#failures = 0;
    this.#failures += 1;
    const restart = () => {
      this.#cancelRestart = undefined;
      if (this.#sheets.size > 0) this.#start();
    };
    this.#cancelRestart = () => {};
    if (this.#failures < RENEW_THREAD_STARTS) {
      this.#cancelRestart = clock.timer(backoffMs(this.#failures, RENEW_THREAD_BACKOFF, random()), restart);
    } else {
      const text = `the thread that renews leases ${wasReady ? "dies whenever it has started" : "does not start"}: ${String(why)}; handlers that block the event loop lose their messages. Mend that, or say leaseRenewal: "loop"`;
      warn?.(new KombuError("internal", text, { cause: why }));
    }
  }

  #hear({ isReady, renewed, quiet }: FromRenewalThread): void {
    if (isReady === true) this.#readySinceUs = this.#options.clock.nowUs();
    if (quiet !== undefined) this.#quieted.get(quiet)?.();
    const lease = renewed === undefined ? undefined : this.#sheets.renewed(renewed);
    if (renewed !== undefined && lease !== undefined) this.#options.tickets.take(lease, renewed.ticket);
  }
}
