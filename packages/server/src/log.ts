import { type DestinationStream, destination, type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";

/** Logging with pino: to standard error, for people on a terminal and as JSON otherwise. */

/** The log that the server writes to. */
export type Log = Logger;

/** How much is logged. Successful requests are at `debug`. */
export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"] as const;

/** One of `LOG_LEVELS`. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `auto`: `pretty` on a terminal, `json` otherwise. */
export const LOG_FORMATS = ["auto", "json", "pretty"] as const;

/** One of `LOG_FORMATS`. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** File descriptor of standard error. */
const STDERR = 2;

/** Opens the log on standard error, or on the stream given. Written synchronously: the last line before a crash counts. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly stream?: DestinationStream;
}): Log {
  const terminal = options.stream === undefined && process.stderr.isTTY === true;
  const stream = options.stream ?? destination({ dest: STDERR, sync: true });
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const human = options.format === "pretty" || (options.format === "auto" && terminal);
  if (!human) return pino(settings, stream);
  const colorize = terminal && !process.env.NO_COLOR;
  const format = prettyFactory({ colorize, singleLine: true });
  return pino(settings, { write: (line) => stream.write(format(line)) });
}
