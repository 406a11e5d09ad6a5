/**
 * A memory with an end: values are forgotten after their time, or before it, oldest first, when there are more than
 * `entriesMax`. Where values are kept for different times, one that goes first may wait for one before it, or for `sweep`.
 */
export class ExpiringMap<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly untilUs: number }>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get(key: string, nowUs: number): V | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.untilUs > nowUs ? entry.value : undefined;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Forgets all whose time is over. */
  sweep(nowUs: number): void {
    for (const [key, entry] of this.#entries) if (entry.untilUs <= nowUs) this.#entries.delete(key);
  }

  set(key: string, value: V, nowUs: number, keepMs: number): void {
    // Deleted first, so that the key moves to the end.
    this.#entries.delete(key);
    this.#entries.set(key, { value, untilUs: nowUs + keepMs * 1000 });
    for (const [oldest, entry] of this.#entries) {
      if (entry.untilUs > nowUs && this.#entries.size <= this.#entriesMax) return;
      this.#entries.delete(oldest);
    }
  }
}
