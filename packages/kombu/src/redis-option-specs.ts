import { limits } from "@pullqueue/core";
import {
  booleanCheck,
  type Check,
  integerCheck,
  keyCheck,
  oneOfCheck,
  queueNameCheck,
  stringCheck,
} from "./check.js";
import { CONNECT_RETRY_SPECS } from "./connect-retry.js";
import {
  HOLD_MS_MAX,
  LEASE_MS_MIN,
  POLLING_INTERVAL_MS_MAX,
  POLLING_INTERVAL_MS_MIN,
  PRIORITY_MAX,
  REDIS_DATABASE_MAX,
  REDIS_SWEEP_ITEMS,
  TIMEOUT_MS_MAX,
} from "./limits.js";
import { passwordCheck } from "./password.js";
import { REDIS_FIXED_SPECS } from "./redis-fixed-specs.js";

/** The table of the options of `redis`; `OptionSpec` says what its columns mean. */

const SECONDS = 1000;

const millisecondsCheck = integerCheck(1, TIMEOUT_MS_MAX, "milliseconds");
const leaseCheck = integerCheck(LEASE_MS_MIN, limits.LEASE_MS_MAX, "milliseconds");
const pollingCheck = integerCheck(POLLING_INTERVAL_MS_MIN, POLLING_INTERVAL_MS_MAX, "milliseconds");

const portCheck = integerCheck(1, 65_535, "port");

const sentinelsCheck: Check = {
  expected: "a list of addresses such as host:26379",
  holds: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((item) => typeof item === "string" && /^(?:\[[^\]]+\]|[^:[\]]+)(?::[0-9]{1,5})?$/.test(item)),
};

const stepsCheck: Check = {
  expected: `ascending whole numbers from 0 to ${PRIORITY_MAX}, the first of them 0`,
  holds: (value) =>
    Array.isArray(value) &&
    value[0] === 0 &&
    value.every(
      (step, at) => Number.isInteger(step) && step <= PRIORITY_MAX && (at === 0 || step > value[at - 1]),
    ),
};

const prefixCheck: Check = {
  expected: "true, false, or text",
  holds: (value) => booleanCheck.holds(value) || stringCheck.holds(value),
};

/** Python's constants too. What is asked for here decides who may pose as the server, so that nothing is guessed. */
const certReqsCheck: Check = {
  expected: "required or none",
  holds: (value) => typeof value === "string" && /^(?:required|none|CERT_REQUIRED|CERT_NONE)$/.test(value),
};

/** The options of the transport `redis`. */
export const REDIS_OPTION_SPECS = [
  { name: "host", check: keyCheck },
  { name: "port", check: portCheck },
  { name: "socketPath", check: keyCheck },
  { name: "sentinels", check: sentinelsCheck },
  { name: "masterName", python: "master_name", check: keyCheck, inUrl: "string" },
  { name: "sentinelPassword", check: stringCheck, secret: true },
  { name: "username", check: stringCheck },
  { name: "password", check: passwordCheck, secret: true },
  {
    name: "database",
    python: "virtual_host",
    check: integerCheck(0, REDIS_DATABASE_MAX, "database"),
    inUrl: "number",
  },
  { name: "tls", check: booleanCheck },
  { name: "sslCertReqs", python: "ssl_cert_reqs", check: certReqsCheck, inUrl: "string" },
  { name: "sslCheckHostname", python: "ssl_check_hostname", check: booleanCheck, inUrl: "boolean" },
  { name: "sslCaCerts", python: "ssl_ca_certs", check: keyCheck, inUrl: "string" },
  { name: "sslCertfile", python: "ssl_certfile", check: keyCheck, inUrl: "string" },
  { name: "sslKeyfile", python: "ssl_keyfile", check: keyCheck, inUrl: "string" },
  {
    name: "visibilityTimeoutMs",
    python: "visibility_timeout",
    scale: SECONDS,
    pythonExpected: secondsFrom(LEASE_MS_MIN, limits.LEASE_MS_MAX),
    check: leaseCheck,
    inUrl: "number",
  },
  { name: "leaseMs", check: leaseCheck, inUrl: "number" },
  {
    name: "pollingIntervalMs",
    python: "polling_interval",
    scale: SECONDS,
    pythonExpected: secondsFrom(POLLING_INTERVAL_MS_MIN, POLLING_INTERVAL_MS_MAX),
    check: pollingCheck,
    inUrl: "number",
  },
  { name: "numTasks", check: integerCheck(1, limits.LEASE_TASKS_MAX, "messages"), inUrl: "number" },
  { name: "holdMsMax", check: integerCheck(LEASE_MS_MIN, HOLD_MS_MAX, "milliseconds"), inUrl: "number" },
  { name: "leaseRenewal", check: oneOfCheck(["thread", "loop"]), inUrl: "string" },
  { name: "globalKeyprefix", python: "global_keyprefix", check: stringCheck, inUrl: "string" },
  { name: "sep", check: keyCheck, inUrl: "string" },
  { name: "prioritySteps", python: "priority_steps", check: stepsCheck },
  { name: "urgentFirst", check: oneOfCheck(["lowest", "highest"]), inUrl: "string" },
  { name: "unackedKey", python: "unacked_key", check: keyCheck, inUrl: "string" },
  { name: "unackedIndexKey", python: "unacked_index_key", check: keyCheck, inUrl: "string" },
  {
    name: "unackedRestoreLimit",
    python: "unacked_restore_limit",
    check: integerCheck(1, REDIS_SWEEP_ITEMS, "messages"),
    inUrl: "number",
  },
  { name: "fanoutPrefix", python: "fanout_prefix", check: prefixCheck, inUrl: "string" },
  { name: "fanoutPatterns", python: "fanout_patterns", check: booleanCheck, inUrl: "boolean" },
  { name: "deadletterQueue", python: "deadletter_queue", check: queueNameCheck, inUrl: "string" },
  { name: "deliveryCount", check: booleanCheck, inUrl: "boolean" },
  {
    name: "socketConnectTimeoutMs",
    python: "socket_connect_timeout",
    scale: SECONDS,
    check: millisecondsCheck,
    inUrl: "number",
  },
  {
    name: "connectTimeoutMs",
    python: "connect_timeout",
    scale: SECONDS,
    check: millisecondsCheck,
    inUrl: "number",
  },
  {
    name: "socketTimeoutMs",
    python: "socket_timeout",
    scale: SECONDS,
    check: millisecondsCheck,
    inUrl: "number",
  },
  {
    name: "healthCheckIntervalMs",
    python: "health_check_interval",
    scale: SECONDS,
    check: millisecondsCheck,
    inUrl: "number",
  },
  ...CONNECT_RETRY_SPECS,
  { name: "clientName", python: "client_name", check: keyCheck, inUrl: "string" },
  ...REDIS_FIXED_SPECS,
] as const;

function secondsFrom(minMs: number, maxMs: number): string {
  return `a number of seconds from ${minMs / SECONDS} to ${maxMs / SECONDS}`;
}
