import type { Writable } from "node:stream";
import { PROGRESS_MS } from "./limits.js";
import { printable } from "./table.js";

/** A stream that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Where a command writes, and how. */
export interface OutputOptions {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One JSON value a line, for programs. */
  readonly json: boolean;
}

/** A line that is drawn over itself; `done` removes it. */
export interface Progress {
  update(text: string): void;
  done(): void;
}

/** Results go to standard output, everything about them to standard error, so that a pipe gets results only. */
export class Output {
  readonly json: boolean;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  readonly #colours: boolean;

  constructor({ stdout, stderr, env, json }: OutputOptions) {
    this.json = json;
    this.#stdout = stdout;
    this.#stderr = stderr;
    // https://no-color.org: present and not empty.
    this.#colours = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb" && !json;
  }

  /** Whether a person reads standard output. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Writes to standard output. Resolves when the bytes have left this process; a closed pipe rejects. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** A line of standard output. */
  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** A value as one line of JSON. */
  value(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value));
  }

  /** A remark for people, on standard error; programs that asked for JSON do not get it. */
  note(text: string): void {
    if (!this.json) this.#stderr.write(`${text}\n`);
  }

  /** Something that went wrong although the command goes on; one line of standard error, JSON where that was asked for. */
  warn(code: string, message: string): void {
    this.#stderr.write(
      this.json ? `${JSON.stringify({ warning: { code, message } })}\n` : complaint(code, message),
    );
  }

  /** Says that this is not all: a sentence for people, for programs where the next page begins, as one line of JSON. */
  more(text: string, nextPageToken: string): void {
    this.tell(text, { nextPageToken });
  }

  /** Something that people and programs need although it is no result: a sentence on standard error, or one line of JSON there. */
  tell(text: string, value: object): void {
    this.#stderr.write(this.json ? `${JSON.stringify(value)}\n` : `${text}\n`);
  }

  /** What the command failed with; one line of standard error, JSON where that was asked for. */
  error(code: string, message: string): void {
    this.#stderr.write(
      this.json ? `${JSON.stringify({ error: { code, message } })}\n` : complaint(code, message),
    );
  }

  /** A heading or a label. */
  bold(text: string): string {
    return this.#colours ? `\u001b[1m${text}\u001b[22m` : text;
  }

  /** Something of less weight. */
  dim(text: string): string {
    return this.#colours ? `\u001b[2m${text}\u001b[22m` : text;
  }

  /** Shows how far something is, where standard error is a terminal; silent elsewhere. */
  progress(): Progress {
    if (this.#stderr.isTTY !== true || this.json) return { update: () => {}, done: () => {} };
    let drawnMs = Number.NEGATIVE_INFINITY;
    const draw = (text: string) => this.#stderr.write(`\r\u001b[K${text}`);
    return {
      update: (text) => {
        const nowMs = performance.now();
        if (nowMs - drawnMs < PROGRESS_MS) return;
        drawnMs = nowMs;
        draw(text);
      },
      done: () => {
        if (drawnMs >= 0) draw("");
      },
    };
  }
}

/** Messages may hold words of a server, and those could move the cursor; the lines of a stack stay lines. */
function complaint(code: string, message: string): string {
  return `pullqueue: ${message.split("\n").map(printable).join("\n")} (${code})\n`;
}
