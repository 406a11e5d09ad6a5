import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import { type Check, checkOptions, numberCheck, signalCheck } from "./check.js";
import { KombuError } from "./errors.js";
import { TIMEOUT_MS_MAX } from "./limits.js";

/** How a worker is stopped. */
export interface StopOptions {
  /** How long running handlers may go on, in milliseconds; 0 tells them to stop at once. Default: the worker's. */
  readonly graceMs?: number | undefined;
  /** Ends that time early. */
  readonly signal?: AbortSignal | undefined;
}

/** How long something may take, in milliseconds. */
export const graceCheck: Check = numberCheck(0, TIMEOUT_MS_MAX, "milliseconds");

const STOP_CHECKS: Readonly<Record<keyof StopOptions, Check>> = { graceMs: graceCheck, signal: signalCheck };

const US_PER_MS = 1000;

/**
 * The steps of a stop, each a signal that those listen to whom it concerns. Steps are never taken back.
 *
 *     running ──begin──> stopping ──graceMs, interrupt──> interrupting ──endMs, abandon──> abandoning
 *                        nothing is                       handlers are                     nobody waits for
 *                        received                         told to stop                     them any more
 */
export class GracefulStop {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #endMs: number;
  readonly #steps = [new AbortController(), new AbortController(), new AbortController()] as const;
  readonly #reason = new KombuError(
    "closed",
    "the worker stops, so that handlers are to end; what they leave is given back",
  );
  readonly #undo: (() => void)[] = [];
  #timer: { readonly dueUs: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock, { graceMs, endMs }: { readonly graceMs: number; readonly endMs: number }) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#endMs = endMs;
    // Every receive listens; Node would suspect a leak at eleven.
    for (const { signal } of this.#steps) setMaxListeners(0, signal);
  }

  /** Nothing more is received. */
  get stopping(): AbortSignal {
    return this.#steps[0].signal;
  }

  /** Handlers are told to stop. */
  get interrupting(): AbortSignal {
    return this.#steps[1].signal;
  }

  /** Nobody waits for handlers any more. */
  get abandoning(): AbortSignal {
    return this.#steps[2].signal;
  }

  /** Begins to stop. Repeating it can only make it sooner. */
  begin(options: StopOptions = {}): void {
    checkOptions("stop", options, STOP_CHECKS);
    const { graceMs = this.#graceMs, signal } = options;
    this.#steps[0].abort(this.#reason);
    if (graceMs === 0 || signal?.aborted === true) this.interrupt();
    if (this.interrupting.aborted) return;
    this.#after(graceMs, () => this.interrupt());
    const interrupt = () => this.interrupt();
    signal?.addEventListener("abort", interrupt);
    this.#undo.push(() => signal?.removeEventListener("abort", interrupt));
  }

  /** Tells handlers to stop now. */
  interrupt(): void {
    this.#steps[0].abort(this.#reason);
    if (this.interrupting.aborted) return;
    this.#steps[1].abort(this.#reason);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#after(this.#endMs, () => this.abandon());
  }

  /** Waits for nobody any more. */
  abandon(): void {
    this.interrupt();
    this.#steps[2].abort(this.#reason);
  }

  /** All has ended: no timer and no listener stays. */
  end(): void {
    this.#timer?.cancel();
    for (const undo of this.#undo) undo();
  }

  /** The next step after this time, unless it is due sooner already. */
  #after(ms: number, step: () => void): void {
    const dueUs = this.#clock.nowUs() + ms * US_PER_MS;
    if (this.#timer !== undefined && this.#timer.dueUs <= dueUs) return;
    this.#timer?.cancel();
    this.#timer = { dueUs, cancel: this.#clock.timer(ms, step, { keepAlive: true }) };
  }
}
