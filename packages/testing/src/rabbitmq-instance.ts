import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type Child, startChild } from "./child.js";
import { freePort } from "./free-port.js";
import { temporaryFolder } from "./temp.js";

/**
 * A RabbitMQ of one test's own, in a temporary folder: it can be stopped, restarted and killed, which nobody may do to one that
 * others use. Its port and what is durable stay the same over restarts.
 */
export interface RabbitmqInstance extends AsyncDisposable {
  /** `amqp://guest:guest@127.0.0.1:PORT//`. */
  readonly url: string;
  readonly port: number;
  /** Resolves when it takes connections. Nothing happens when it runs. */
  start(): Promise<void>;
  /** Resolves when its processes have ended. Nothing happens when it is stopped. */
  stop(): Promise<void>;
  /** `kill -9`, as when the machine runs out of memory. */
  kill9(): Promise<void>;
  /** Stops answering without closing a socket, as a machine that hangs; until `resume()`. */
  pause(): void;
  resume(): void;
  /** Runs `rabbitmqctl` on it. */
  control(...parameters: readonly string[]): Promise<string>;
}

/** What can be said about an instance to be started. */
export interface RabbitmqInstanceOptions {
  /** Lines of rabbitmq.conf. Default: none but those an instance needs. */
  readonly settings?: readonly string[];
}

/** Where Debian keeps the programs, apart from the wrappers that change to RabbitMQ's own account. */
const PROGRAMS_FOLDER = "/usr/lib/rabbitmq/bin";

/** How long RabbitMQ may take to start, in milliseconds: about six seconds on an idle machine. */
const START_MS = 120_000;

/** How long RabbitMQ may take to stop, in milliseconds. */
const STOP_MS = 60_000;

/** How long `rabbitmqctl` may take, in milliseconds: it starts an Erlang of its own. */
const CONTROL_MS = 60_000;

/** Makes an empty broker and starts it. Needs Debian's `rabbitmq-server` (see `isMissing("rabbitmq-programs")`). */
export async function startRabbitmqInstance({
  settings = [],
}: RabbitmqInstanceOptions = {}): Promise<RabbitmqInstance> {
  const folder = temporaryFolder();
  const [port, distributionPort, mapperPort] = [await freePort(), await freePort(), await freePort()];
  const environment = environmentOf(folder.path, { port, distributionPort, mapperPort });
  mkdirSync(folder.file("home"));
  writeFileSync(folder.file("rabbit.conf"), ["loopback_users = none", ...settings, ""].join("\n"));
  writeFileSync(folder.file("plugins"), "[].\n");
  // Erlang's nodes find each other by a process of their own; one in common would outlive the test.
  const mapper = startChild("epmd", ["-port", String(mapperPort), "-address", "127.0.0.1"], { environment });
  let running: Child | undefined;
  const end = async (signal: NodeJS.Signals) => {
    running?.signal("SIGCONT");
    running?.signal(signal);
    await running?.exited(STOP_MS);
    running = undefined;
  };
  const instance: RabbitmqInstance = {
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    port,
    start: async () => {
      running ??= await startServer(environment);
    },
    stop: () => end("SIGTERM"),
    kill9: () => end("SIGKILL"),
    pause: () => running?.signal("SIGSTOP"),
    resume: () => running?.signal("SIGCONT"),
    control: (...parameters) => control(parameters, environment),
    [Symbol.asyncDispose]: async () => {
      try {
        await end("SIGTERM");
      } finally {
        await mapper.stop();
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

interface Ports {
  readonly port: number;
  readonly distributionPort: number;
  readonly mapperPort: number;
}

function environmentOf(folder: string, { port, distributionPort, mapperPort }: Ports): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LANG: "C.UTF-8",
    HOME: `${folder}/home`,
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    // In this process, not behind a shell that would get the signals.
    RABBITMQ_ALLOW_INPUT: "1",
    RABBITMQ_NODENAME: `pullqueue${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: `${folder}/mnesia`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_LOGS: "-",
    RABBITMQ_CONFIG_FILE: `${folder}/rabbit`,
    RABBITMQ_CONF_ENV_FILE: `${folder}/none`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/plugins`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
    RABBITMQ_CTL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
}

async function startServer(environment: NodeJS.ProcessEnv): Promise<Child> {
  const program = `${PROGRAMS_FOLDER}/rabbitmq-server`;
  if (!existsSync(program)) throw new Error(`${program} is missing: apt-get install rabbitmq-server`);
  const child = startChild(program, [], { environment });
  try {
    await child.line(/Server startup complete/, START_MS);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function control(parameters: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const lines: string[] = [];
  const child = startChild(`${PROGRAMS_FOLDER}/rabbitmqctl`, ["--quiet", ...parameters], {
    environment,
    onLine: (line) => void lines.push(line),
  });
  child.endInput();
  const { code } = await child.exited(CONTROL_MS);
  if (code !== 0)
    throw new Error(`rabbitmqctl ${parameters.join(" ")} ended with ${code}\n${child.stderr()}`);
  return lines.join("\n");
}
