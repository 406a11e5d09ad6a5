/** What the command says to the shell. */
export const EXIT = {
  /** Done, or the reader of our output had enough. */
  done: 0,
  /** It did not work; trying again may help. */
  failed: 1,
  /** It cannot work: wrong arguments, or something that the server refuses. */
  usage: 2,
  /** There was nothing: no task to get, no such queue. */
  nothing: 3,
  /** Ended by SIGINT and SIGTERM, as shells count them (128 + the signal's number). */
  interrupted: 130,
  terminated: 143,
} as const;

/** One of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
