import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { undoAtExit } from "./until-exit.js";

/** How a process ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of a test: its lines can be waited for, and it is surely gone at the end of its scope. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** What it wrote to standard error so far; the last `STDERR_CHARACTERS_MAX` characters. */
  stderr(): string;
  /** Writes a line to its standard input. */
  write(line: string): void;
  /** Ends its standard input. */
  endInput(): void;
  /** The first line of standard output, past ones included, that matches. Rejects when it ends or is silent for too long. */
  line(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray>;
  /** Sends a signal; nothing happens to a process that has ended. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it has ended and its output is read; kills it and rejects when that takes too long. */
  exited(timeoutMs: number): Promise<ChildExit>;
  /** Asks it to end (SIGTERM), waits, and kills it (SIGKILL) when it does not. Idempotent. */
  stop(): Promise<ChildExit>;
}

/** Standard error is kept for messages; more than this is of no use in one, in characters. */
const STDERR_CHARACTERS_MAX = 100_000;

/** Lines of standard output kept for `line()`. */
const LINES_MAX = 10_000;

/** How long a process may take to end after SIGTERM before it is killed, in milliseconds. */
const GRACE_MS = 10_000;

/** How long the kernel may take to end a killed process, in milliseconds. */
const KILL_MS = 10_000;

/** What can be said about a process to be started. */
export interface ChildOptions {
  /** Default: ours. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Told about each line of standard output. */
  readonly onLine?: (line: string) => void;
  /** Where it runs. Default: where we do. */
  readonly folder?: string;
  /** Whom it runs as, if we are root. Default: us. */
  readonly account?: { readonly uid: number; readonly gid: number };
}

/** Starts a process with pipes on its three streams. */
export function startChild(
  command: string,
  parameters: readonly string[],
  { environment = process.env, onLine = () => {}, folder, account }: ChildOptions = {},
): Child {
  const child = spawn(command, parameters, {
    env: environment,
    cwd: folder,
    ...account,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const output = readOutput(child, onLine);
  const forget = undoAtExit(() => child.kill("SIGKILL"));
  const ended = new Promise<ChildExit>((resolve) => {
    child.once("error", (error) => {
      output.appendStderr(`${error.message}\n`);
      resolve({ code: null, signal: null });
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  // A process that ends while it is written to: its exit says more than the broken pipe.
  child.stdin?.on("error", () => {});
  void ended.then(output.end).then(forget);

  const exited = async (timeoutMs: number) => {
    const exit = await within(ended, timeoutMs);
    if (exit !== undefined) return exit;
    child.kill("SIGKILL");
    await within(ended, KILL_MS);
    throw new Error(`${command} did not end within ${timeoutMs} ms and was killed\n${output.stderr()}`);
  };
  const stop = async () => {
    // A process behind another, such as strace's, gets no signal; the end of its input reaches it.
    child.stdin?.end();
    child.kill("SIGTERM");
    const exit = await within(ended, GRACE_MS);
    if (exit !== undefined) return exit;
    child.kill("SIGKILL");
    return exited(KILL_MS);
  };
  return {
    pid: child.pid ?? -1,
    stderr: output.stderr,
    write: (line) => void child.stdin?.write(`${line}\n`),
    endInput: () => void child.stdin?.end(),
    line: output.line,
    signal: (signal) => void child.kill(signal),
    exited,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

/** Collects the output of a process, and lets callers wait for lines of it. */
function readOutput(child: ChildProcess, onLine: (line: string) => void) {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let stderr = "";
  let isEnded = false;
  const appendStderr = (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS_MAX);
  };
  const wake = () => {
    for (const look of [...waiting]) look();
  };
  child.stderr?.setEncoding("utf8").on("data", appendStderr);
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (lines.length < LINES_MAX) lines.push(line);
      onLine(line);
      wake();
    });
  }
  return {
    appendStderr,
    stderr: () => stderr,
    end: () => {
      isEnded = true;
      wake();
    },
    line: (pattern: RegExp, timeoutMs: number) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const settle = (act: () => void) => {
          clearTimeout(timer);
          waiting.delete(look);
          act();
        };
        const fail = (why: string) =>
          settle(() => reject(new Error(`no line ${pattern}: ${why}\n${lines.join("\n")}\n${stderr}`)));
        const timer = setTimeout(() => fail(`silent for ${timeoutMs} ms`), timeoutMs);
        const look = () => {
          const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
          if (found !== undefined && found !== null) settle(() => resolve(found));
          else if (isEnded) fail("the process ended");
        };
        waiting.add(look);
        look();
      }),
  };
}

/** The value, or undefined when it takes too long. */
async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
