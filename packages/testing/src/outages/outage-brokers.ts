import { Connection } from "@pullqueue/kombu";
import Database from "better-sqlite3";
import { freePort } from "../free-port.js";
import { startPostgresInstance } from "../postgres-instance.js";
import { startRabbitmqInstance } from "../rabbitmq-instance.js";
import { startRedisInstance } from "../redis-instance.js";
import { type ServerProcess, startServerProcess } from "../server-process.js";
import { temporaryFolder } from "../temp.js";
import { networkBroker, OUTAGE_LEASE_MS, type OutageBroker, outageOf } from "./outage-broker.js";

const leaseMs = OUTAGE_LEASE_MS;

/** Our server on a file. */
export async function appEngineOnSqlite(): Promise<OutageBroker> {
  const folder = temporaryFolder();
  return serverBroker(`sqlite:${folder.file("tasks.db")}`, async () => folder[Symbol.dispose]());
}

/** Our server on a database. What goes away is the server; its database stays. */
export async function appEngineOnPostgres(): Promise<OutageBroker> {
  const database = await startPostgresInstance();
  return serverBroker(database.url, async () => database[Symbol.asyncDispose]());
}

async function serverBroker(store: string, dispose: () => Promise<void>): Promise<OutageBroker> {
  const port = await freePort();
  const parameters = ["--port", String(port), "--log-level", "warn"];
  const launch = () => startServerProcess({ store, parameters });
  let server: ServerProcess = await launch();
  return networkBroker({
    knowsKeys: true,
    port,
    target: (at) => ({
      transport: "appengine",
      transportOptions: { endpoint: `http://127.0.0.1:${at}`, projectName: "outages", leaseMs },
    }),
    start: async () => {
      server = await launch();
    },
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    dispose: async () => {
      server.signal("SIGCONT");
      await server.stop();
      await dispose();
    },
  });
}

/** A database without a server before it. */
export async function postgres(): Promise<OutageBroker> {
  const instance = await startPostgresInstance();
  return networkBroker({
    knowsKeys: true,
    port: instance.port,
    target: (at) => ({
      transport: "postgres",
      transportOptions: { url: instance.url.replace(String(instance.port), String(at)), leaseMs },
    }),
    start: () => instance.start(),
    stop: () => instance.stop(),
    kill9: () => instance.kill9(),
    dispose: () => instance[Symbol.asyncDispose](),
  });
}

/** Redis, which writes each command to its disk. */
export async function redis(): Promise<OutageBroker> {
  const instance = await startRedisInstance();
  return networkBroker({
    ...instance,
    knowsKeys: true,
    target: (port) => ({
      transport: "redis",
      // A server that hangs is given up after the first, a socket that is silent is noticed after both.
      transportOptions: {
        host: "127.0.0.1",
        port,
        leaseMs,
        socketTimeoutMs: 2_000,
        healthCheckIntervalMs: 1_000,
      },
    }),
    dispose: () => instance[Symbol.asyncDispose](),
  });
}

/** RabbitMQ. */
export async function amqp(): Promise<OutageBroker> {
  const instance = await startRabbitmqInstance();
  return networkBroker({
    ...instance,
    knowsKeys: false,
    target: (port) => ({
      transport: "amqp",
      transportOptions: { host: "127.0.0.1", port, heartbeatMs: 1_000 },
    }),
    dispose: () => instance[Symbol.asyncDispose](),
  });
}

/** One file, which another program can keep for itself. */
export async function sqlite(): Promise<OutageBroker> {
  const folder = temporaryFolder();
  const path = folder.file("tasks.db");
  const target = { transport: "sqlite", transportOptions: { path, leaseMs } } as const;
  const first = new Connection(target);
  await first.channel(); // Makes the file.
  await first.close();
  return {
    manners: ["lock"],
    knowsKeys: true,
    target: () => target,
    begin: async () => {
      const other = new Database(path, { timeout: 10_000 });
      other.exec("BEGIN IMMEDIATE");
      return outageOf(async () => void other.close());
    },
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}
