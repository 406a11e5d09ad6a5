import type { Readable } from "node:stream";
import { readLines } from "./input.js";
import { PASTED_BYTES_MAX } from "./limits.js";

/** What a person types while something else goes on. */
export interface PastedLines {
  /** The next line that is not empty. Waits for ever once the input has ended: what else goes on decides then. */
  readonly next: () => Promise<string>;
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
      for (;;) {
        const line = lines.shift();
        if (line !== undefined) return line;
        const batch = await batches.next().catch((error: unknown) => {
          if (ended.signal.aborted) return { done: true } as const;
          throw error;
        });
        if (batch.done === true) return new Promise(() => {});
        const texts = batch.value.lines.map((bytes) => Buffer.from(bytes).toString().trim());
        lines.push(...texts.filter((text) => text !== ""));
      }
    },
    end: () => ended.abort(),
  };
}
