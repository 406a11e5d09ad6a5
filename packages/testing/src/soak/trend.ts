/** One look at the server. */
export interface Sample {
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The database and its log. */
  readonly fileBytes: number;
  readonly liveTasks: number;
}

/** What a third of a soak came to. */
interface Third {
  /** Median: pages come and go with the collector. */
  readonly rssBytes: number;
  /** Least: what is left after a collection. */
  readonly heapBytes: number;
  /** Most, because free pages are used again and the file does not shrink. */
  readonly fileBytes: number;
  /** Most. */
  readonly liveTasks: number;
}

/** The three thirds of a soak, in order. */
export type Thirds = readonly [Third, Third, Third];

/** Room in the file for one live task, in bytes: its row, payload, key and the indexes, rounded up. */
const LIVE_TASK_BYTES = 1024;

/** What may come and go without being a trend, in bytes: a buffer, a page cache that fills, a log between two checkpoints. */
const SLACK_BYTES = 24 * 1024 * 1024;

/** Sums up samples, which must be at least three, by thirds. */
export function thirdsOf(samples: readonly Sample[]): Thirds {
  const bound = (third: number) => Math.floor((samples.length * third) / 3);
  return [0, 1, 2].map((third) => sumUp(samples.slice(bound(third), bound(third + 1)))) as unknown as Thirds;
}

/**
 * What grew from the second third to the last; the first warms up. In sentences; none is good. Growth is what goes beyond a
 * tenth and the slack, once the tasks that are there are counted off.
 */
export function growthOf([, second, last]: Thirds): readonly string[] {
  const filesOf = ({ fileBytes, liveTasks }: Third) => Math.max(0, fileBytes - liveTasks * LIVE_TASK_BYTES);
  return [
    grew("resident memory", second.rssBytes, last.rssBytes),
    grew("the heap after collections", second.heapBytes, last.heapBytes),
    grew("the database and its log", filesOf(second), filesOf(last)),
  ].filter((sentence) => sentence !== undefined);
}

function grew(what: string, before: number, after: number): string | undefined {
  if (after <= before * 1.1 + SLACK_BYTES) return undefined;
  return `${what} grew from ${mebibytes(before)} to ${mebibytes(after)} MiB`;
}

function sumUp(samples: readonly Sample[]): Third {
  const sorted = (value: (sample: Sample) => number) => samples.map(value).sort((a, b) => a - b);
  return {
    rssBytes: sorted(({ rssBytes }) => rssBytes)[Math.floor(samples.length / 2)]!,
    heapBytes: sorted(({ heapBytes }) => heapBytes)[0]!,
    fileBytes: sorted(({ fileBytes }) => fileBytes).at(-1)!,
    liveTasks: sorted(({ liveTasks }) => liveTasks).at(-1)!,
  };
}

/** Bytes in MiB, to one decimal. */
export function mebibytes(bytes: number): string {
  return (bytes / (1024 * 1024)).toFixed(1);
}
