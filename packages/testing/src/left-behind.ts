/** What connections of a process that are closed have left behind. */
export interface LeftBehind {
  /** What the process had open, by kind and number, when the first few had been closed, and after all. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  /** The heap after collections, between equal numbers of connections. */
  readonly heapBytes: readonly number[];
  /** On a signal that all of them were told to watch. */
  readonly listeners: number;
  /** Node's own, such as that of too many listeners. */
  readonly warnings: readonly string[];
}

/**
 * Bytes by which the heap grew with each connection: the slope of the line through the second half of the looks, as the first half
 * warms up (compiled code, caches).
 */
export function heapSlope({ heapBytes }: LeftBehind, connections: number): number {
  const looks = heapBytes.slice(Math.floor(heapBytes.length / 2));
  const middle = (looks.length - 1) / 2;
  const mean = looks.reduce((sum, bytes) => sum + bytes, 0) / looks.length;
  let rise = 0;
  let run = 0;
  looks.forEach((bytes, index) => {
    rise += (index - middle) * (bytes - mean);
    run += (index - middle) ** 2;
  });
  return rise / run / (connections / heapBytes.length);
}
