/** Length of one step of the count of leases, in microseconds. Google showed such numbers late anyway. */
export const LEASE_STEP_US = 10_000_000;

/** Steps in a minute and in an hour. */
export const STEPS_PER_MINUTE = 6;
export const STEPS_PER_HOUR = 360;

/** The step that a time belongs to. */
export function leaseStep(nowUs: number): number {
  return Math.floor(nowUs / LEASE_STEP_US);
}

/** How many tasks were leased lately, counted in steps of ten seconds. */
export class LeaseRate {
  /** Step to count, oldest first. */
  readonly #steps = new Map<number, number>();

  add(nowUs: number, count: number): void {
    const step = leaseStep(nowUs);
    const counted = this.#steps.get(step);
    this.#steps.set(step, (counted ?? 0) + count);
    if (counted === undefined) this.#forget(step - STEPS_PER_HOUR);
  }

  lastMinute(nowUs: number): number {
    return this.#sum(leaseStep(nowUs) - STEPS_PER_MINUTE);
  }

  lastHour(nowUs: number): number {
    return this.#sum(leaseStep(nowUs) - STEPS_PER_HOUR);
  }

  #sum(afterStep: number): number {
    let sum = 0;
    for (const [step, count] of this.#steps) if (step > afterStep) sum += count;
    return sum;
  }

  #forget(upToStep: number): void {
    for (const step of this.#steps.keys()) {
      if (step > upToStep) return;
      this.#steps.delete(step);
    }
  }
}
