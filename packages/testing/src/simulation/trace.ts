import { createHash } from "node:crypto";
import type { SimulatedTime } from "./time.js";

/** Lines that are kept: the end of a run is what explains a failure. */
const LINES_MAX = 20_000;

/** What happened in a simulated world, line by line, and a hash over all of it. */
export class Trace {
  readonly #time: SimulatedTime;
  readonly #hash = createHash("sha256");
  readonly #lines: string[] = [];

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  /** The last lines. */
  get lines(): readonly string[] {
    return this.#lines.slice(-LINES_MAX);
  }

  /** Adds a line: who, and what. No generated ids, which differ from run to run. */
  add(who: string, what: string): void {
    const line = `${(this.#time.elapsedMs / 1000).toFixed(6).padStart(12)}  ${who.padEnd(8)} ${what}`;
    this.#hash.update(line);
    if (this.#lines.push(line) >= 2 * LINES_MAX) this.#lines.splice(0, LINES_MAX);
  }

  /** The hash of all lines so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}
