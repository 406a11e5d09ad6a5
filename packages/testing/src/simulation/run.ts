import { finale } from "./finale.js";
import { storm } from "./storm.js";
import { type Breakage, World } from "./world.js";

/** What came of one simulated world. */
export interface Run {
  readonly seed: number;
  /** The laws that were broken, in order; the first is what matters. */
  readonly complaints: readonly string[];
  /** What happened, for reading. */
  readonly lines: readonly string[];
  /** The same for the same seed. */
  readonly digest: string;
  readonly counts: Readonly<Record<"published" | "acknowledged" | "refused" | "unclear", number>>;
}

/** Plays the world of a seed to its end, or to the first broken law. */
export async function simulate(seed: number, breakage: Breakage = {}): Promise<Run> {
  using world = new World(seed, breakage);
  await world.begin();
  await storm(world);
  if (world.books.complaints.length === 0) await finale(world);
  const { trace, books, promises } = world;
  return {
    seed,
    complaints: [...books.complaints],
    lines: trace.lines,
    digest: trace.digest(),
    counts: { ...promises.counts },
  };
}
