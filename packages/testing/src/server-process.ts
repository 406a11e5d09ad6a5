import { fileURLToPath } from "node:url";
import { type Child, type ChildExit, startChild } from "./child.js";

/** A server in a process of its own, as an operator would run it. */
export interface ServerProcess extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or with https, without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Sends it a signal: SIGSTOP lets it hang, SIGCONT go on. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL when it does not end by itself. Resolves with its exit. */
  stop(): Promise<ChildExit>;
  /** `kill -9`, and waits until the kernel has ended it. */
  kill9(): Promise<ChildExit>;
}

/** What can be said about a server to be started. */
export interface ServerProcessOptions {
  /** As `--store`: `memory:` or `sqlite:PATH`. Default `memory:`. */
  readonly store?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** More of the command line of `pullqueue serve`. */
  readonly parameters?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** The line that `pullqueue serve`, and every other server of our tests, prints when it is ready. */
const READY_LINE = /^pullqueue listening on (https?:\/\/127\.0\.0\.1:\d+)$/;

/** How long a server may take to be ready, in milliseconds: Node, its modules and a file to recover, on a busy machine. */
export const READY_MS = 30_000;

/** How long a killed process may take to be gone, in milliseconds. */
const KILL_MS = 10_000;

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));

/** Starts `pullqueue serve` and waits until it is ready. Needs the build (`npm run build`). */
export async function startServerProcess(options: ServerProcessOptions = {}): Promise<ServerProcess> {
  const { store = "memory:", port = 0, parameters = [], environment = {} } = options;
  const command = [COMMAND, "serve", "--port", String(port), "--store", store, ...parameters];
  return await whenReady(
    startChild(process.execPath, command, { environment: { ...ownEnvironment(), ...environment } }),
  );
}

/** Waits for the ready line of a server that is just starting; one that does not get ready is ended. */
export async function whenReady(child: Child): Promise<ServerProcess> {
  try {
    const [, url = ""] = await child.line(READY_LINE, READY_MS);
    return {
      url,
      pid: child.pid,
      stderr: child.stderr,
      signal: child.signal,
      stop: child.stop,
      kill9: () => {
        child.signal("SIGKILL");
        return child.exited(KILL_MS);
      },
      [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
    };
  } catch (error) {
    // The caller has nothing yet that could be stopped.
    await child.stop();
    throw error;
  }
}

/** Our environment without what is said in it to somebody else's servers. */
function ownEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PULLQUEUE_")));
}
