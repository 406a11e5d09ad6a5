/** What a long job of the store is given. */
export interface JobOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (tasks: number) => void;
}

/** What a job came to: how many tasks, and whether it was stopped before the end because they were enough. */
export interface Piece {
  readonly tasks: number;
  readonly more: boolean;
}

/** Runs a long job of the store until it ends, or until it has done with enough tasks. The caller's signal stops it too. */
export async function inPieces(
  enoughTasks: number | undefined,
  caller: AbortSignal,
  run: (options: JobOptions) => Promise<number>,
): Promise<Piece> {
  const enough = new AbortController();
  let tasks = 0;
  const onProgress = (soFar: number) => {
    tasks = soFar;
    if (soFar >= (enoughTasks ?? Number.POSITIVE_INFINITY)) enough.abort();
  };
  try {
    tasks = await run({ signal: AbortSignal.any([caller, enough.signal]), onProgress });
    return { tasks, more: false };
  } catch (error) {
    // Stopped on purpose is an answer; what else fails is a failure.
    if (error !== enough.signal.reason) throw error;
    return { tasks, more: true };
  }
}
