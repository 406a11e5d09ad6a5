/** What places a task in its order. */
export interface Sortable {
  readonly etaUs: number;
  readonly id: string;
}

/** Items of one chunk: small enough that moving its rest is cheap, large enough that chunks are few. */
const CHUNK_ITEMS_MAX = 512;

/**
 * Tasks in the order (eta, id), in a list of sorted chunks. Adding and removing cost a binary search and moving part of
 * a chunk; iterating starts anywhere. An item may not change its eta or id while it is in here.
 */
export class SortedTasks<T extends Sortable> {
  readonly #chunks: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  first(): T | undefined {
    return this.#chunks[0]?.[0];
  }

  add(item: T): void {
    this.#size += 1;
    const last = this.#chunks.at(-1);
    if (last === undefined || isBefore(last.at(-1)!, item)) {
      // Most tasks come at the end: full chunks stay full.
      if (last === undefined || last.length >= CHUNK_ITEMS_MAX) this.#chunks.push([item]);
      else last.push(item);
      return;
    }
    const index = this.#chunkOf(item);
    const chunk = this.#chunks[index]!;
    chunk.splice(positionIn(chunk, item), 0, item);
    if (chunk.length > CHUNK_ITEMS_MAX) {
      this.#chunks.splice(index + 1, 0, chunk.splice(CHUNK_ITEMS_MAX >> 1));
    }
  }

  /** Removes an item that is in here. */
  remove(item: T): void {
    const index = this.#chunkOf(item);
    const chunk = this.#chunks[index];
    const position = chunk === undefined ? 0 : positionIn(chunk, item);
    if (chunk?.[position] !== item) throw new Error("SortedTasks: the item is not where its order puts it");
    if (position === 0) chunk.shift();
    else chunk.splice(position, 1);
    if (chunk.length === 0) this.#chunks.splice(index, 1);
    this.#size -= 1;
  }

  /** How many have an eta up to this one. */
  countUpTo(etaUs: number): number {
    let count = 0;
    for (const chunk of this.#chunks) {
      if (chunk.at(-1)!.etaUs <= etaUs) count += chunk.length;
      else return count + positionIn(chunk, { etaUs: etaUs + 1, id: "" });
    }
    return count;
  }

  /** Items after a position in order. Nothing may be added or removed while iterating. */
  *after(position: Sortable): IterableIterator<T> {
    let index = this.#chunkOf(position);
    const chunk = this.#chunks[index];
    let offset = chunk === undefined ? 0 : positionIn(chunk, position);
    const found = chunk?.[offset];
    if (found !== undefined && !isBefore(position, found)) offset += 1;
    for (; index < this.#chunks.length; index++, offset = 0) {
      const items = this.#chunks[index]!;
      for (; offset < items.length; offset++) yield items[offset]!;
    }
  }

  /** The first chunk whose last item is not before the position. */
  #chunkOf(position: Sortable): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#chunks[middle]!.at(-1)!, position)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Before everything else. */
export const START: Sortable = Object.freeze({ etaUs: -1, id: "" });

/** Whether `a` comes before `b` in the order (eta, id). */
export function isBefore(a: Sortable, b: Sortable): boolean {
  return a.etaUs < b.etaUs || (a.etaUs === b.etaUs && a.id < b.id);
}

function positionIn(chunk: readonly Sortable[], position: Sortable): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(chunk[middle]!, position)) low = middle + 1;
    else high = middle;
  }
  return low;
}
