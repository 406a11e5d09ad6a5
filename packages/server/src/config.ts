import { readFile } from "node:fs/promises";
import { type JsonObject, QueueError } from "@pullqueue/core";
import { type Document, parseDocument } from "yaml";
import { checkAuthOptions } from "./auth/check-auth-options.js";
import { Complaints } from "./complaints.js";
import {
  CONFIG_FILE_OPTION,
  SERVE_OPTIONS,
  type ServeOptionName,
  type ServerConfig,
} from "./config-options.js";
import { CONFIG_FILE_BYTES_MAX } from "./limits.js";
import type { ServeOption } from "./option-readers.js";

/** A server's configuration: flags before environment variables before a file before defaults, checked together, frozen. */

/** Where options come from. */
export interface ConfigSources {
  /** By option name (`logLevel`), and `config`; undefined is not given. Numbers may be texts. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Usually `process.env`. An empty variable counts as not given, except PULLQUEUE_PREFIX. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Resolves the configuration. Throws one `invalid_argument` with every complaint, each naming flag, variable and file key;
 * a file that cannot be read is one as well.
 */
export async function loadConfig({ flags = {}, env = {} }: ConfigSources = {}): Promise<ServerConfig> {
  const complaints = new Complaints("the configuration cannot be used:");
  const fileName = configFileName(flags, env);
  const file = fileName === undefined ? {} : await readConfigFile(fileName, complaints);
  const config: Record<string, unknown> = {};
  const named = new Set<ServeOptionName>();
  for (const name of Object.keys(SERVE_OPTIONS) as ServeOptionName[]) {
    const option: ServeOption<unknown> = SERVE_OPTIONS[name];
    const given =
      (option.secret === true ? undefined : flags[name]) ?? variable(env, option) ?? file[name] ?? undefined;
    if (given !== undefined) named.add(name);
    config[name] = given === undefined ? option.default : read(name, option, given, complaints);
  }
  checkAuthOptions(config, named, complaints);
  complaints.throwIfAny();
  return Object.freeze(config) as ServerConfig;
}

function read(name: string, option: ServeOption<unknown>, given: unknown, complaints: Complaints): unknown {
  try {
    return option.read(given);
  } catch (error) {
    // What came may be a secret, and the complaint of a reader quotes it.
    const message = option.secret === true ? "expected a text" : QueueError.from(error).message;
    complaints.add(`${option.flag} (${option.variable}, or ${name} in the file): ${message}`);
    return undefined;
  }
}

function variable(env: NonNullable<ConfigSources["env"]>, option: ServeOption<unknown>): string | undefined {
  const value = env[option.variable];
  // `PULLQUEUE_PORT=` in a unit file means "not set"; an empty prefix is a prefix.
  return value === "" && option !== SERVE_OPTIONS.prefix ? undefined : value;
}

function configFileName(
  flags: NonNullable<ConfigSources["flags"]>,
  env: NonNullable<ConfigSources["env"]>,
): string | undefined {
  const given = flags.config ?? env[CONFIG_FILE_OPTION.variable];
  return typeof given === "string" && given !== "" ? given : undefined;
}

async function readConfigFile(fileName: string, complaints: Complaints): Promise<JsonObject> {
  const text = await readTextFile(fileName, `${CONFIG_FILE_OPTION.flag} (${CONFIG_FILE_OPTION.variable})`);
  // JSON is YAML.
  const document = parseDocument(text, { uniqueKeys: true });
  for (const error of document.errors) complaints.add(`${fileName}: ${error.message.split("\n", 1)[0]}`);
  if (document.errors.length > 0) return {};
  const value = plainValue(fileName, document, complaints);
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    complaints.add(
      `${fileName}: expected a mapping of options, got ${Array.isArray(value) ? "a list" : typeof value}`,
    );
    return {};
  }
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(SERVE_OPTIONS, key)) {
      complaints.add(`${fileName}: unknown key "${key}"; known are ${Object.keys(SERVE_OPTIONS).join(", ")}`);
    }
  }
  return value as JsonObject;
}

function plainValue(fileName: string, document: Document, complaints: Complaints): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    // The one thing that toJS refuses in a document without errors.
    complaints.add(`${fileName}: aliases (*name) are not followed here`);
    return undefined;
  }
}

/** A text file of the user's, or a sentence that says which option named it and what is wrong. */
export async function readTextFile(fileName: string, option: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(fileName);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new QueueError("invalid_argument", `${option}: cannot read ${JSON.stringify(fileName)} (${code})`, {
      cause: error,
    });
  }
  if (bytes.byteLength <= CONFIG_FILE_BYTES_MAX) return bytes.toString("utf8");
  throw new QueueError(
    "too_large",
    `${option}: ${JSON.stringify(fileName)} must have at most ${CONFIG_FILE_BYTES_MAX} bytes, got ${bytes.byteLength}`,
  );
}
