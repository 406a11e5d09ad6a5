import { spawn } from "node:child_process";

/** How a program ended, and all that it wrote. */
export interface ProgramResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Byte for byte. */
  readonly output: Buffer;
  /** `output` as text. */
  readonly stdout: string;
  readonly stderr: string;
}

/** What can be said about a program to be run. */
export interface ProgramOptions {
  /** Where it runs. Default: where we do. */
  readonly cwd?: string;
  /** Added to our environment; undefined takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Standard input. Default: nothing. */
  readonly input?: string | Uint8Array;
  /** After this it is killed, in milliseconds. Default `PROGRAM_MS`. */
  readonly timeoutMs?: number;
}

/** How long a program may take unless told otherwise, in milliseconds: Node and its modules, on a busy machine. */
const PROGRAM_MS = 30_000;

/** Runs a program that ends by itself, and collects what it writes. */
export function runProgram(
  command: string,
  parameters: readonly string[],
  { cwd, environment = {}, input = "", timeoutMs = PROGRAM_MS }: ProgramOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, {
      cwd,
      env: { ...process.env, ...environment },
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    // A program that ends without reading its input: its exit says more than the broken pipe.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const bytes = Buffer.concat(output);
      resolve({
        code,
        signal,
        output: bytes,
        stdout: bytes.toString("utf8"),
        stderr: Buffer.concat(errors).toString("utf8"),
      });
    });
  });
}
