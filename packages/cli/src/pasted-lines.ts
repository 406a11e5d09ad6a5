import type { Readable } from "node:stream";
import { readLines } from "./input.js";
import { PASTED_BYTES_MAX } from "./limits.js";

/** What a person types while something else goes on. */
export interface PastedLines {
  /** The next line that is not empty; undefined when the input has ended, or nothing more is needed. */
  readonly next: () => Promise<string | undefined>;
  /** Reads no more, so that the input does not keep the process alive. */
  readonly end: () => void;
}

/** Lines of a stream, which is not touched before the first is asked for. */
export function pastedLines(input: Readable, signal: AbortSignal): PastedLines {
  const ended = new AbortController();
  const batches = readLines(input, AbortSignal.any([signal, ended.signal]), PASTED_BYTES_MAX);
  const lines: string[] = [];
  return {
    async next() {
      try {
        while (lines.length === 0) {
          const batch = await batches.next();
          if (batch.done === true) return undefined;
          const texts = batch.value.lines.map((bytes) => Buffer.from(bytes).toString().trim());
          lines.push(...texts.filter((text) => text !== ""));
        }
      } catch (error) {
        if (!ended.signal.aborted) throw error;
      }
      return lines.shift();
    },
    end: () => ended.abort(),
  };
}
