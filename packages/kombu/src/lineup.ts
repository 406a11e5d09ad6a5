/** Where something stands in a lineup; whoever put it there keeps this, to take it out. */
export interface Standing<T> {
  readonly item: T;
  before: Standing<T> | undefined;
  behind: Standing<T> | undefined;
  isIn: boolean;
}

/**
 * Things in the order of their arrival, of which any may leave: what a Set would be for, were there not so many that come and go. Each time
 * that V8 gives a Set another table, the old one, with what was in it, keeps the next alive, and that the next; so all that has ever
 * passed through survives until memory is collected as a whole, and is copied on the way there.
 */
export class Lineup<T> implements Iterable<T> {
  #first: Standing<T> | undefined;
  #last: Standing<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Puts it at the end. */
  enter(item: T): Standing<T> {
    const before = this.#last;
    const standing: Standing<T> = { item, before, behind: undefined, isIn: true };
    if (before === undefined) this.#first = standing;
    else before.behind = standing;
    this.#last = standing;
    this.#size += 1;
    return standing;
  }

  /** Takes it out. False when it has left already, or never came. */
  leave(standing: Standing<T> | undefined): boolean {
    if (standing?.isIn !== true) return false;
    const { before, behind } = standing;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    // So that what has left keeps nobody alive.
    standing.before = undefined;
    standing.behind = undefined;
    standing.isIn = false;
    this.#size -= 1;
    return true;
  }

  /** Those that are in it now, whoever comes or leaves meanwhile. */
  [Symbol.iterator](): IterableIterator<T> {
    const items: T[] = [];
    for (let one = this.#first; one !== undefined; one = one.behind) items.push(one.item);
    return items.values();
  }
}
