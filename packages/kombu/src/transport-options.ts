import { describe, limits } from "@pullqueue/core";
import {
  booleanCheck,
  type Check,
  functionCheck,
  integerCheck,
  oneOfCheck,
  queueNameCheck,
  stringCheck,
} from "./check.js";
import { CONNECT_RETRY_SPECS } from "./connect-retry.js";
import {
  HEARTBEAT_MS_MAX,
  HOLD_MS_MAX,
  LEASE_MS_MIN,
  POLLING_INTERVAL_MS_MAX,
  POLLING_INTERVAL_MS_MIN,
  PORT_MAX,
  TIMEOUT_MS_MAX,
} from "./limits.js";
import { passwordCheck } from "./password.js";
import { REDIS_OPTION_SPECS } from "./redis-option-specs.js";
import { suggest } from "./suggest.js";

/** The options of each transport as one table: both spellings, what is allowed, and how they are read from a URL. */

/** One option. */
export interface OptionSpec {
  /** As TypeScript programs write it. */
  readonly name: string;
  readonly check: Check;
  /** As the Python transport called it, where it had it. */
  readonly python?: string;
  /** How many of our units one of Python's is. Default 1. */
  readonly scale?: number;
  /** What it must be in Python's units. Default: as `check` says. */
  readonly pythonExpected?: string;
  /** Its value is shown to nobody. */
  readonly secret?: true;
  /** What it is in a URL's query; undefined where it stands elsewhere in the URL, or must not stand there at all. */
  readonly inUrl?: "number" | "boolean" | "string" | "list";
}

const MS_PER_SECOND = 1000;

const DEADLETTER_SPEC: OptionSpec = {
  name: "deadletterQueue",
  python: "deadletter_queue",
  check: queueNameCheck,
  inUrl: "string",
};

const LEASE_SPECS: readonly OptionSpec[] = [
  {
    name: "leaseMs",
    python: "lease_secs",
    scale: MS_PER_SECOND,
    pythonExpected: secondsFrom(LEASE_MS_MIN, limits.LEASE_MS_MAX),
    check: integerCheck(LEASE_MS_MIN, limits.LEASE_MS_MAX, "milliseconds"),
    inUrl: "number",
  },
  {
    name: "pollingIntervalMs",
    python: "polling_interval",
    scale: MS_PER_SECOND,
    pythonExpected: secondsFrom(POLLING_INTERVAL_MS_MIN, POLLING_INTERVAL_MS_MAX),
    check: integerCheck(POLLING_INTERVAL_MS_MIN, POLLING_INTERVAL_MS_MAX, "milliseconds"),
    inUrl: "number",
  },
  {
    name: "numTasks",
    python: "num_tasks",
    check: integerCheck(1, limits.LEASE_TASKS_MAX, "tasks"),
    inUrl: "number",
  },
  { name: "holdMsMax", check: integerCheck(LEASE_MS_MIN, HOLD_MS_MAX, "milliseconds"), inUrl: "number" },
  DEADLETTER_SPEC,
  ...CONNECT_RETRY_SPECS,
];

const RENEWING_LEASE_SPECS: readonly OptionSpec[] = [
  ...LEASE_SPECS,
  { name: "leaseRenewal", check: oneOfCheck(["thread", "loop"]), inUrl: "string" },
];

/** App Engine's prefix for applications on the High Replication Datastore, which in the end were all. */
export const HRD_PREFIX = "s~";

/** A project's prefix: where Google's servers of the project stood. */
export const PROJECT_PREFIX = /^[a-z]~/;

const projectCheck: Check = {
  expected: "a project id (letters, digits, and . _ : - inside, perhaps after s~)",
  holds: (value) =>
    typeof value === "string" &&
    value.length <= limits.PROJECT_LENGTH_MAX &&
    limits.PROJECT_PATTERN.test(value.replace(PROJECT_PREFIX, "")),
};

const pathCheck: Check = {
  expected: "a path that is not empty",
  holds: (value) => stringCheck.holds(value) && value !== "" && !String(value).includes("\0"),
};

const databaseUrlCheck: Check = {
  expected: "an address such as postgres://user:password@host/database",
  holds: (value) => typeof value === "string" && /^postgres(?:ql)?:\/\//.test(value) && URL.canParse(value),
};

/** An address that is an origin and nothing else: credentials and paths stand elsewhere. */
export const endpointCheck: Check = {
  expected: "an address such as https://queue.example.com, without user, path or query",
  holds(value) {
    if (typeof value !== "string" || !URL.canParse(value)) return false;
    const url = new URL(value);
    const isHttp = url.protocol === "http:" || url.protocol === "https:";
    return isHttp && url.pathname === "/" && `${url.origin}/` === url.href;
  },
};

const audienceCheck: Check = {
  expected: "a string of visible characters, such as the address of the server",
  holds: (value) => typeof value === "string" && /^[!-~]+$/.test(value),
};

const scopesCheck: Check = {
  expected: "an array of OAuth scopes, at least one",
  holds: (value) => Array.isArray(value) && value.length > 0 && value.every(isScope),
};

/** RFC 6749, 3.3; without the comma, which separates scopes in a URL's query. */
function isScope(value: unknown): boolean {
  return typeof value === "string" && /^[!#-+\--[\]-~]+$/.test(value);
}

const tokenSourceCheck: Check = {
  expected: "an object with a method getAccessToken",
  holds: (value) =>
    typeof value === "object" &&
    value !== null &&
    "getAccessToken" in value &&
    functionCheck.holds(value.getAccessToken),
};

const PROJECT_SPEC: OptionSpec = {
  name: "projectName",
  python: "project_name",
  check: projectCheck,
  inUrl: "string",
};

const HOST_PATTERN = /^[^\s/@:[\]]+$|^[0-9a-f:.%]+$/i;

const AMQP_SPECS: readonly OptionSpec[] = [
  {
    name: "host",
    python: "hostname",
    check: {
      expected: "a host's name or address, without a port",
      holds: (value) => typeof value === "string" && HOST_PATTERN.test(value),
    },
  },
  { name: "port", check: integerCheck(1, PORT_MAX, "port") },
  { name: "userId", python: "userid", check: stringCheck },
  { name: "password", check: passwordCheck, secret: true },
  { name: "virtualHost", python: "virtual_host", check: stringCheck },
  { name: "ssl", check: booleanCheck, inUrl: "boolean" },
  { name: "caFile", python: "ssl_ca_certs", check: pathCheck, inUrl: "string" },
  { name: "certFile", python: "ssl_certfile", check: pathCheck, inUrl: "string" },
  { name: "keyFile", python: "ssl_keyfile", check: pathCheck, inUrl: "string" },
  { name: "verifyCertificate", check: booleanCheck, inUrl: "boolean" },
  {
    name: "connectTimeoutMs",
    python: "connect_timeout",
    scale: MS_PER_SECOND,
    pythonExpected: secondsFrom(1, TIMEOUT_MS_MAX),
    check: integerCheck(1, TIMEOUT_MS_MAX, "milliseconds"),
    inUrl: "number",
  },
  {
    name: "heartbeatMs",
    python: "heartbeat",
    scale: MS_PER_SECOND,
    pythonExpected: secondsFrom(0, HEARTBEAT_MS_MAX),
    check: integerCheck(0, HEARTBEAT_MS_MAX, "milliseconds"),
    inUrl: "number",
  },
  ...CONNECT_RETRY_SPECS,
  { name: "delayedDelivery", check: oneOfCheck(["classic", "quorum"]), inUrl: "string" },
  DEADLETTER_SPEC,
];

/** The options of each transport. */
export const OPTION_SPECS = {
  appengine: [
    PROJECT_SPEC,
    { name: "hrdProject", python: "hrd_project", check: booleanCheck, inUrl: "boolean" },
    { name: "credentialsFile", python: "credentials_file", check: pathCheck, inUrl: "string" },
    ...RENEWING_LEASE_SPECS,
    { name: "endpoint", check: endpointCheck },
    { name: "audience", check: audienceCheck, inUrl: "string" },
    { name: "scopes", check: scopesCheck, inUrl: "list" },
    { name: "tokenSource", check: tokenSourceCheck, secret: true },
    {
      name: "accessToken",
      secret: true,
      check: {
        // Anything else could not stand in a header.
        expected: "a string of visible ASCII characters, or a function",
        holds: (value) => functionCheck.holds(value) || (typeof value === "string" && /^[!-~]+$/.test(value)),
      },
    },
  ],
  memory: [{ name: "name", check: stringCheck }, PROJECT_SPEC, ...LEASE_SPECS],
  sqlite: [{ name: "path", check: pathCheck }, PROJECT_SPEC, ...RENEWING_LEASE_SPECS],
  postgres: [{ name: "url", check: databaseUrlCheck, secret: true }, PROJECT_SPEC, ...RENEWING_LEASE_SPECS],
  redis: REDIS_OPTION_SPECS,
  amqp: AMQP_SPECS,
} as const satisfies Readonly<Record<string, readonly OptionSpec[]>>;

/** Options by our names and in our units, and what is wrong with what was given. */
export interface ReadOptions {
  readonly values: Readonly<Record<string, unknown>>;
  readonly complaints: readonly string[];
}

/** Reads options in either spelling. A complaint never shows the value of a secret. */
export function readOptions(options: object, specs: readonly OptionSpec[]): ReadOptions {
  const given = new Map(Object.entries(options).filter(([, value]) => value !== undefined));
  const values: Record<string, unknown> = {};
  const complaints: string[] = [];
  for (const spec of specs) {
    const { name, python } = spec;
    if (given.has(name) && python !== undefined && given.has(python)) {
      complaints.push(`${name} and ${python} are one option: give only one of them`);
    }
    for (const spelling of [name, python]) {
      if (spelling === undefined || !given.has(spelling)) continue;
      const value = inOurUnits(given.get(spelling), spelling === python ? (spec.scale ?? 1) : 1);
      if (spec.check.holds(value)) values[name] = value;
      else complaints.push(complaint(spec, spelling, given.get(spelling)));
      given.delete(spelling);
    }
  }
  const known = specs.flatMap(({ name, python }) => (python === undefined ? [name] : [name, python]));
  for (const name of given.keys()) complaints.push(`there is no option ${name}${suggest(name, known)}`);
  return { values, complaints };
}

function inOurUnits(value: unknown, scale: number): unknown {
  return typeof value === "number" && scale !== 1 ? Math.round(value * scale) : value;
}

function complaint(
  { python, pythonExpected, check, secret }: OptionSpec,
  spelling: string,
  value: unknown,
): string {
  const expected = spelling === python ? (pythonExpected ?? check.expected) : check.expected;
  const got = secret === true ? `something of type ${typeof value}` : describe(value);
  return `${spelling} must be ${expected}, got ${got}`;
}

function secondsFrom(minMs: number, maxMs: number): string {
  return `a number of seconds from ${minMs / MS_PER_SECOND} to ${maxMs / MS_PER_SECOND}`;
}

/** The option of a name, in either spelling. */
export function optionNamed(name: string, specs: readonly OptionSpec[]): OptionSpec | undefined {
  return specs.find((spec) => spec.name === name || spec.python === name);
}
