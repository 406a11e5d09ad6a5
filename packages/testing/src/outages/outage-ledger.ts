/** What publishers and handlers of numbered messages know, and where the broker contradicts it. */
export class OutageLedger {
  /** Numbers whose publish has resolved. */
  readonly published = new Set<number>();
  /** Numbers that a handler has seen. */
  readonly handled = new Set<number>();
  /** What must not be. */
  readonly complaints: string[] = [];
  readonly #acknowledged = new Set<number>();
  readonly #perhapsTwice = new Set<number>();
  readonly #waiting = new Set<() => void>();

  /** How many are published and no handler has seen them. */
  get outstanding(): number {
    let count = 0;
    for (const number of this.published) if (!this.handled.has(number)) count += 1;
    return count;
  }

  /** How many were acknowledged for certain. */
  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** The broker has it. */
  stored(number: number): void {
    this.published.add(number);
    this.#changed();
  }

  /** It is published once more where the broker cannot know that, or its acknowledgement may be forgotten. */
  mayComeTwice(number: number): void {
    this.#perhapsTwice.add(number);
  }

  /** A handler begins. */
  began(number: number): void {
    if (this.#acknowledged.has(number) && !this.#perhapsTwice.has(number)) {
      this.complaints.push(`${number} came again after it was acknowledged`);
    }
    this.handled.add(number);
    this.#changed();
  }

  /** The broker has confirmed that it is done. */
  done(number: number): void {
    this.#acknowledged.add(number);
    this.#changed();
  }

  /** Something was said that should not have been. */
  complain(text: string): void {
    this.complaints.push(text);
    this.#changed();
  }

  /** Resolves when the condition holds, or there is something to complain about. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition() && this.complaints.length === 0) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  #changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
