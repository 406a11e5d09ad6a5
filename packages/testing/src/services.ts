import { spawnSync } from "node:child_process";

/** What some tests need and not every machine has, with the command that finds out. */
const SERVICES = {
  strace: { command: ["strace", "-o", "/dev/null", "true"], debianPackage: "strace" },
  "python3-kombu": { command: ["/usr/bin/python3", "-c", "import kombu"], debianPackage: "python3-kombu" },
  "python3-celery": { command: ["/usr/bin/python3", "-c", "import celery"], debianPackage: "python3-celery" },
  "python3-msgpack": {
    command: ["/usr/bin/python3", "-c", "import msgpack"],
    debianPackage: "python3-msgpack",
  },
  "python3-yaml": { command: ["/usr/bin/python3", "-c", "import yaml"], debianPackage: "python3-yaml" },
  "python3-zstandard": {
    command: ["/usr/bin/python3", "-c", "import zstandard"],
    debianPackage: "python3-zstandard",
  },
  "python3-brotli": { command: ["/usr/bin/python3", "-c", "import brotli"], debianPackage: "python3-brotli" },
  "python3-redis": {
    command: ["/usr/bin/python3", "-c", "import kombu, redis"],
    debianPackage: "python3-redis",
  },
  // For tests that start a Redis of their own.
  "redis-server": { command: ["redis-server", "--version"], debianPackage: "redis-server" },
  "python3-googleapi": {
    command: ["/usr/bin/python3", "-c", "import googleapiclient.discovery"],
    debianPackage: "python3-googleapi",
  },
  "python3-google-auth": {
    command: ["/usr/bin/python3", "-c", "import google.oauth2.credentials"],
    debianPackage: "python3-google-auth",
  },
  "python3-oauth2client": {
    command: ["/usr/bin/python3", "-c", "import oauth2client.file"],
    debianPackage: "python3-oauth2client",
  },
  chromium: { command: ["/usr/bin/chromium", "--version"], debianPackage: "chromium" },
  // The database that tests share, each in a schema of its own: at PULLQUEUE_TEST_POSTGRES, or Debian's.
  postgres: {
    command: [
      "/bin/sh",
      "-c",
      `exec psql "$\{PULLQUEUE_TEST_POSTGRES:-postgres://postgres@127.0.0.1:5432/postgres}" -w -c "SELECT 1"`,
    ],
    debianPackage: "postgresql",
  },
  // For tests that start a PostgreSQL of their own.
  "postgres-programs": {
    command: ["/bin/sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb"],
    debianPackage: "postgresql",
  },
  // For tests that start a RabbitMQ of their own.
  "rabbitmq-programs": {
    command: ["/bin/sh", "-c", "ls /usr/lib/rabbitmq/bin/rabbitmq-server && command -v epmd"],
    debianPackage: "rabbitmq-server",
  },
} as const;

/** The name of such a service. */
export type ServiceName = keyof typeof SERVICES;

/** All of them; `npm test` says at its end which are missing. */
export const SERVICE_NAMES = Object.keys(SERVICES) as readonly ServiceName[];

/** How long a service may take to show that it is there, in milliseconds. Python's first import is the slowest. */
const PROBE_MS = 20_000;

/**
 * Whether a service is missing, for `describe.skipIf(isMissing("strace"))`. Says plainly what is left out and why.
 * With `REQUIRE_SERVICES=1`, as in CI, a missing service throws instead.
 */
export function isMissing(
  name: ServiceName,
  environment: NodeJS.ProcessEnv = process.env,
  say: (line: string) => void = (line) => void process.stderr.write(line),
): boolean {
  const { command, debianPackage } = SERVICES[name];
  const [program, ...parameters] = command;
  const probe = spawnSync(program, parameters, { timeout: PROBE_MS, stdio: "ignore", env: environment });
  if (probe.status === 0) return false;
  const advice = `${name} is not usable here: apt-get install ${debianPackage}`;
  if (environment.REQUIRE_SERVICES === "1") throw new Error(`${advice} (REQUIRE_SERVICES=1)`);
  say(`left out: the tests that need ${name}. ${advice}\n`);
  return true;
}
