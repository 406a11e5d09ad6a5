import { type Child, startChild } from "./child.js";
import { freePort } from "./free-port.js";
import { temporaryFolder } from "./temp.js";

/**
 * A Redis of one test's own, in a temporary folder, that logs each write before it answers: it can be stopped, restarted and
 * killed, which nobody may do to one that others use. Its port stays the same over restarts.
 */
export interface RedisInstance extends AsyncDisposable {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Resolves when it takes commands. Nothing happens when it runs. */
  start(): Promise<void>;
  /** Resolves when it has ended. Nothing happens when it is stopped. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Stops answering without closing a socket, as a machine that hangs; until `resume()`. */
  pause(): void;
  resume(): void;
  /** Runs one command with Debian's `redis-cli`, on a connection of its own, and gives what it printed. */
  cli(...words: readonly string[]): Promise<string>;
}

/** What can be said about an instance to be started. */
export interface RedisInstanceOptions {
  /** Settings as in redis.conf: `{ requirepass: "secret" }`. Default: none but those an instance needs. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A port of one's own choice. Default: a free one. */
  readonly port?: number;
}

/** How long Redis may take to start, to stop, and to answer, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Starts an empty Redis. Needs Debian's `redis-server` (see `isMissing("redis-server")`). */
export async function startRedisInstance(options: RedisInstanceOptions = {}): Promise<RedisInstance> {
  const folder = temporaryFolder();
  const port = options.port ?? (await freePort());
  const settings = { ...OWN_SETTINGS, port: String(port), dir: folder.path, ...options.settings };
  const parameters = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  let running: Child | undefined;
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    running?.signal("SIGCONT");
    running?.signal(signal);
    await running?.exited(PATIENCE_MS);
    running = undefined;
  };
  const instance: RedisInstance = {
    url: `redis://127.0.0.1:${port}`,
    port,
    start: async () => {
      running ??= startChild("redis-server", parameters);
      await running.line(/Ready to accept connections/, PATIENCE_MS);
    },
    stop: () => end("SIGTERM"),
    kill9: () => end("SIGKILL"),
    pause: () => running?.signal("SIGSTOP"),
    resume: () => running?.signal("SIGCONT"),
    cli: (...words) => runCli(port, words),
    [Symbol.asyncDispose]: async () => {
      try {
        await end("SIGTERM");
      } finally {
        folder[Symbol.dispose]();
      }
    },
  };
  try {
    await instance.start();
    return instance;
  } catch (error) {
    await instance[Symbol.asyncDispose]();
    throw error;
  }
}

/** Loopback alone; every write on disk before its answer. */
const OWN_SETTINGS = { bind: "127.0.0.1", appendonly: "yes", appendfsync: "always", save: "" };

async function runCli(port: number, words: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const child = startChild("redis-cli", ["-p", String(port), ...words], {
    onLine: (line) => lines.push(line),
  });
  child.endInput();
  const { code } = await child.exited(PATIENCE_MS);
  if (code !== 0) throw new Error(`redis-cli ended with ${code}: ${child.stderr()}`);
  return lines.join("\n");
}
