import { Readable, Writable } from "node:stream";
import { openMemoryStore, type QueueAdmin, type QueueKey, type QueueStore } from "@pullqueue/core";
import { createLog, loadConfig, startServer } from "@pullqueue/server";
import type { ExitCode } from "../src/exit-codes.js";
import { runCommand } from "../src/main.js";

/** What a command did. */
interface CommandResult {
  readonly code: ExitCode;
  /** Byte for byte. */
  readonly output: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a test says about the process around a command. */
interface CommandOptions {
  readonly input?: string | Uint8Array | Readable;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Told about standard output as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Told about standard error as it comes. */
  readonly onErrors?: (text: string) => void;
  /** Default: the command `pullqueue`. */
  readonly run?: typeof runCommand;
  /** Standard input and standard error are a terminal. */
  readonly terminal?: boolean;
  /** Instead of the stream that collects. */
  readonly stdout?: Writable;
}

/** A server on a free port with the store behind it, and commands that talk to it. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly store: QueueStore & QueueAdmin;
  readonly jobs: QueueKey;
  /** Runs `pullqueue …` in this process, on streams of its own. */
  pullqueue(parameters: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/** Starts a server on a memory store. */
export async function startTestServer(): Promise<TestServer> {
  const store = openMemoryStore();
  const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
  const log = createLog({ level: "silent", format: "json" });
  const server = await startServer(config, { store, log });
  return {
    url: server.url,
    store,
    jobs: { project: "default", queue: "jobs" },
    pullqueue: (parameters, options = {}) =>
      pullqueue(parameters, { ...options, env: { PULLQUEUE_ENDPOINT: server.url, ...options.env } }),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Runs `pullqueue …` in this process, on streams of its own, without a server. */
export async function pullqueue(
  parameters: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const {
    input = "",
    env = {},
    signal,
    onOutput,
    onErrors,
    stdout,
    terminal = false,
    run = runCommand,
  } = options;
  const output = collector(onOutput);
  const errors = collector(onErrors);
  const code = await run(parameters, {
    stdin: Object.assign(input instanceof Readable ? input : Readable.from([Buffer.from(input)]), {
      isTTY: terminal,
    }),
    stdout: stdout ?? output.stream,
    stderr: Object.assign(errors.stream, { isTTY: terminal }),
    env,
    signal: signal ?? new AbortController().signal,
  });
  const bytes = output.bytes();
  return { code, output: bytes, stdout: bytes.toString(), stderr: errors.bytes().toString() };
}

function collector(onText: (text: string) => void = () => {}) {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      onText(chunk.toString());
      done();
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}
