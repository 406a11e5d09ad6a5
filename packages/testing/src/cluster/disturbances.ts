import type { Prng } from "../prng.js";
import type { Progress } from "./progress.js";
import type { ServerGroup } from "./server-group.js";

/** Something that goes wrong, and is over when its promise resolves. */
export interface Disturbance {
  readonly name: string;
  disturb(): Promise<void>;
}

/** How many answers come between two disturbances, and while one lasts. */
const ANSWERS = { low: 40, high: 400 };

/** How many failures show that a server which hangs keeps the others from answering: as many as there are clients. */
const FAILURES = 20;

/** What goes wrong with servers. `while others` answer, so that it lasts as long as work goes on. */
export function serverDisturbances(
  group: ServerGroup,
  { chance, progress, signal }: { chance: Prng; progress: Progress; signal: AbortSignal },
): readonly Disturbance[] {
  const any = () => chance.integer(0, group.size - 1);
  const whileOthersWork = () => progress.more(chance.integer(ANSWERS.low, ANSWERS.high), signal);
  return [
    {
      name: "a server is killed and started again",
      async disturb() {
        const index = any();
        await group.kill9(index);
        await group.restart(index);
      },
    },
    {
      name: "a server is killed and is away for a while",
      async disturb() {
        const index = any();
        await group.kill9(index);
        await whileOthersWork();
        await group.restart(index);
      },
    },
    {
      name: "a server hangs for a while",
      async disturb() {
        const index = any();
        group.suspend(index);
        // It may have stopped with the lock of an SQLite file in its hand: then the others are refused until it goes on.
        await progress.more(chance.integer(ANSWERS.low, ANSWERS.high), signal, FAILURES);
        group.resume(index);
      },
    },
    {
      name: "all servers but one are killed",
      async disturb() {
        const last = any();
        const others = Array.from({ length: group.size }, (_, index) => index).filter(
          (index) => index !== last,
        );
        await Promise.all(others.map((index) => group.kill9(index)));
        await whileOthersWork();
        await Promise.all(others.map((index) => group.restart(index)));
      },
    },
  ];
}

/** What disturbing needs. */
export interface DisturbContext {
  readonly chance: Prng;
  readonly progress: Progress;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Told what is about to go wrong. */
  readonly onStep: (name: string) => void;
}

/**
 * So many disturbances one after the other, each kind before any comes again, with work in between. Resolves with their
 * names.
 */
export async function disturb(
  disturbances: readonly Disturbance[],
  count: number,
  { chance, progress, signal, onStep }: DisturbContext,
): Promise<readonly string[]> {
  const names: string[] = [];
  let left: Disturbance[] = [];
  while (names.length < count && !signal.aborted) {
    await progress.more(chance.integer(ANSWERS.low, ANSWERS.high), signal);
    if (left.length === 0) left = [...disturbances];
    const [next] = left.splice(chance.integer(0, left.length - 1), 1);
    names.push(next!.name);
    onStep(next!.name);
    await next!.disturb();
  }
  await progress.more(ANSWERS.high, signal);
  return names;
}
