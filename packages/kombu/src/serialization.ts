import { describe } from "@pullqueue/core";
import {
  acceptCheck,
  booleanCheck,
  bytesCheck,
  type Check,
  checkContract,
  checkOptions,
  checkValue,
  functionCheck,
  keyCheck,
  oneOfCheck,
  optional,
  textCheck,
} from "./check.js";
import { KombuError } from "./errors.js";
import { type JsonType, JsonTypes, type JsonTypesName } from "./json-types.js";
import { parseMediaType } from "./media-type.js";
import type { Serializer } from "./serializer.js";
import { jsonSerializer } from "./serializers/json.js";
import { msgpackSerializer } from "./serializers/msgpack.js";
import { rawSerializer, textSerializer } from "./serializers/text.js";
import { yamlSerializer } from "./serializers/yaml.js";
import { suggest } from "./suggest.js";
import { decodeText, encodeText, isBinaryEncoding } from "./text-encoding.js";

/** Bodies to bytes and back, by content type, with kombu's rules about who may decode what. */

/** A body ready to travel. */
export interface SerializedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
}

/** How a body is written. */
export interface DumpOptions {
  /** A serializer's name or content type. Default: bytes as `application/data`, text as `text/plain`, anything else as JSON. */
  readonly serializer?: string | undefined;
  /** Says that the body is serialized already: bytes, or text that only needs its encoding. */
  readonly contentType?: string | undefined;
  /** Of a body with `contentType`. Default: `utf-8` for text, `binary` for bytes. */
  readonly contentEncoding?: string | undefined;
}

/** How a body is read. */
export interface LoadOptions {
  /** Serializer names or content types that may be decoded; raw data and text always may. Default: all that are enabled. */
  readonly accept?: readonly string[] | undefined;
  /** Reads disabled types too, where there is no `accept`. Default false. */
  readonly force?: boolean;
}

/** Types that every accept list has, because decoding them can do no harm. Kombu's list, and text, which it forgot. */
const ALWAYS_ACCEPTED: readonly string[] = ["application/data", "application/text", "text/plain"];

/** What a new registry does not read unless somebody accepts or enables it. Kombu's list. */
const INSECURE: readonly string[] = [yamlSerializer.name, msgpackSerializer.name];

/** Python's own format, which is recognised in order to be refused. */
const PICKLE = { name: "pickle", contentType: "application/x-python-serialize" };

/** How a registry begins. */
export interface SerializerRegistryOptions {
  /** How JSON is written: `plain` (what every kombu reads), or `kombu-5.3` with `__type__` objects for dates and bytes. Default `plain`. */
  readonly jsonTypes?: JsonTypesName;
}

const REGISTRY_CHECKS: Readonly<Record<keyof SerializerRegistryOptions, Check>> = {
  jsonTypes: oneOfCheck(["plain", "kombu-5.3"]),
};

const SERIALIZER_CHECKS: Readonly<Record<keyof Serializer, Check>> = {
  name: keyCheck,
  contentType: keyCheck,
  contentEncoding: keyCheck,
  encode: functionCheck,
  decode: functionCheck,
};

const DUMP_CHECKS: Readonly<Record<keyof DumpOptions, Check>> = {
  serializer: textCheck,
  contentType: textCheck,
  contentEncoding: textCheck,
};

const LOAD_CHECKS: Readonly<Record<keyof LoadOptions, Check>> = { accept: acceptCheck, force: booleanCheck };

const typeCheck: Check = optional(textCheck);

/**
 * The serializers of one connection. A new one writes `json`, `text`, `raw`, `msgpack` and `yaml`, and reads the first three: the other
 * two are read by consumers that accept them by name, or after `enable`, as in kombu.
 */
export class SerializerRegistry {
  readonly #byName = new Map<string, Serializer>();
  readonly #byType = new Map<string, Serializer>();
  readonly #disabled = new Set<string>();
  readonly #jsonTypes: JsonTypes;
  /** Of the last body that was read by `ANY`'s rules; forgotten when these change. */
  #lastReading: Reading | undefined;

  /** Throws `invalid_argument`. */
  constructor(options: SerializerRegistryOptions = {}) {
    checkOptions("a serializer registry", options, REGISTRY_CHECKS);
    this.#jsonTypes = new JsonTypes(options.jsonTypes);
    const known = [jsonSerializer(this.#jsonTypes), textSerializer, rawSerializer];
    for (const serializer of [...known, msgpackSerializer, yamlSerializer]) this.register(serializer);
    for (const name of INSECURE) this.disable(name);
  }

  /** Adds a serializer, or replaces the one of its name; it is enabled. Pickle cannot be registered: `content_disallowed`. */
  register(serializer: Serializer): void {
    checkContract("a serializer", serializer, SERIALIZER_CHECKS, ["name", "contentType", "contentEncoding"]);
    const { type } = parseMediaType(serializer.contentType);
    if (type === PICKLE.contentType) throw pickleRefused();
    this.unregister(serializer.name);
    this.#lastReading = undefined;
    this.#byName.set(serializer.name, serializer);
    this.#byType.set(type, serializer);
    this.#disabled.delete(type);
  }

  /** Takes a serializer away by its name or content type; quiet when there is none. */
  unregister(nameOrType: string): void {
    checkValue("a serializer's name", nameOrType, textCheck);
    const serializer = this.#byName.get(nameOrType) ?? this.#byType.get(parseMediaType(nameOrType).type);
    if (serializer === undefined) return;
    this.#lastReading = undefined;
    this.#byName.delete(serializer.name);
    this.#byType.delete(parseMediaType(serializer.contentType).type);
  }

  /** Writes and reads values of a class in JSON: kombu's `register_type`. Throws `invalid_argument`. */
  registerType<T extends object>(type: JsonType<T>): void {
    this.#jsonTypes.register(type);
  }

  /** Lets bodies be read that were disabled. Throws `serializer_unknown`, and `content_disallowed` for pickle. */
  enable(nameOrType: string): void {
    this.#disabled.delete(this.typeOf(nameOrType));
    this.#lastReading = undefined;
  }

  /** Refuses to read bodies, except for those who accept them by name. Throws `serializer_unknown`. */
  disable(nameOrType: string): void {
    this.#disabled.add(this.typeOf(nameOrType));
    this.#lastReading = undefined;
  }

  /** Kombu's `enable_insecure_serializers`. Default: yaml and msgpack; pickle is `content_disallowed`. */
  enableInsecureSerializers(names: readonly string[] = INSECURE): void {
    for (const name of checkValue("the names of serializers", names, acceptCheck)) this.enable(name);
  }

  /** Kombu's `disable_insecure_serializers`: disables all that are registered but those named. Default: all but json. */
  disableInsecureSerializers(allowed: readonly string[] = ["json"]): void {
    const types = checkValue("the names of serializers", allowed, acceptCheck).map((name) =>
      this.typeOf(name),
    );
    for (const type of this.#byType.keys()) this.#disabled.add(type);
    for (const type of types) this.#disabled.delete(type);
    this.#lastReading = undefined;
  }

  /**
   * The bytes of a value and what is said about them. Errors: `not_serializable`, `serializer_unknown`, and
   * `invalid_argument` for a `contentType` with a body that is neither bytes nor text.
   */
  dumps(value: unknown, options: DumpOptions = {}): SerializedBody {
    checkOptions("dumps", options, DUMP_CHECKS);
    const { serializer: name, contentType, contentEncoding } = options;
    if (contentType !== undefined) return serializedAlready(value, contentType, contentEncoding);
    const serializer = this.#serializer(name ?? defaultName(value));
    if (serializer.encode === undefined) {
      throw new KombuError("serializer_unknown", `the serializer ${serializer.name} can only read`);
    }
    const body = attempt("not_serializable", serializer, () => serializer.encode!(value));
    const isRawText = serializer === rawSerializer && typeof value === "string";
    return {
      body,
      contentType: serializer.contentType,
      contentEncoding: isRawText ? "utf-8" : serializer.contentEncoding,
    };
  }

  /**
   * The value of a body. An empty body stays empty (text or bytes) whatever its type. Unknown types are text or bytes by their
   * encoding, unless `accept` is given. Errors: `content_disallowed`, `decode_failed`, `serializer_unknown` in `accept`.
   */
  loads(
    body: Uint8Array,
    contentType: string | undefined,
    contentEncoding?: string,
    options: LoadOptions = ANY,
  ): unknown {
    checkValue("the body of loads", body, bytesCheck);
    const { decoder, encoding } = this.#readingOf(contentType, contentEncoding, options);
    if (body.byteLength > 0 && decoder?.decode !== undefined) {
      return attempt("decode_failed", decoder, () => decoder.decode!(body, encoding));
    }
    return isBinaryEncoding(encoding) || decoder?.decode !== undefined ? body : decodeText(body, encoding);
  }

  /** How a body is read, if it may be. Most are of the type of the one before. */
  #readingOf(
    contentType: string | undefined,
    contentEncoding: string | undefined,
    options: LoadOptions,
  ): Reading {
    const last = this.#lastReading;
    const isSame = last?.contentType === contentType && last?.contentEncoding === contentEncoding;
    if (last !== undefined && isSame && options === ANY) return last;
    checkValue("the content type of loads", contentType, typeCheck);
    checkValue("the content encoding of loads", contentEncoding, typeCheck);
    const { type, charset } = parseMediaType(contentType ?? rawSerializer.contentType);
    const encoding = contentEncoding ?? charset ?? "utf-8";
    this.checkAccepted(type, options);
    const reading = { contentType, contentEncoding, encoding, decoder: this.#byType.get(type) };
    if (options === ANY) this.#lastReading = reading;
    return reading;
  }

  /** Throws `content_disallowed` when a body of this type may not be decoded, saying what may. */
  checkAccepted(contentType: string, options: LoadOptions): void {
    checkValue("a content type", contentType, textCheck);
    checkOptions("loads", options, LOAD_CHECKS);
    const { accept, force = false } = options;
    const { type } = parseMediaType(contentType);
    if (type === PICKLE.contentType) throw pickleRefused();
    const accepted = accept?.map((entry) => this.typeOf(entry)) ?? [];
    if (ALWAYS_ACCEPTED.includes(type) || accepted.includes(type)) return;
    if (accept !== undefined) {
      throw disallowed(type, `accept has only ${[...accepted, ...ALWAYS_ACCEPTED].join(", ")}`);
    }
    if (force || !this.#disabled.has(type)) return;
    const name = this.#byType.get(type)?.name ?? type;
    const how = `name it in accept, or call serializers.enable(${JSON.stringify(name)}) if you trust all senders`;
    throw disallowed(type, `it is disabled; ${how}`);
  }

  /** The content type of a serializer's name; a content type is itself. Throws `serializer_unknown`. */
  typeOf(nameOrType: string): string {
    checkValue("a serializer's name", nameOrType, textCheck);
    if (nameOrType.includes("/")) return parseMediaType(nameOrType).type;
    return parseMediaType(this.#serializer(nameOrType).contentType).type;
  }

  #serializer(name: string): Serializer {
    const serializer = this.#byName.get(name) ?? this.#byType.get(name);
    if (serializer !== undefined) return serializer;
    if (name === PICKLE.name) throw pickleRefused();
    const known = [...this.#byName.keys()];
    throw new KombuError(
      "serializer_unknown",
      `there is no serializer ${JSON.stringify(name)}${suggest(name, known)}; there are ${known.join(", ")}`,
    );
  }
}

const JSON_NAME = "json";

/** Reads whatever is enabled: the default of `loads`. */
export const ANY: LoadOptions = Object.freeze({});

/** How bodies of one type are read. */
interface Reading {
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly encoding: string;
  readonly decoder: Serializer | undefined;
}

function defaultName(value: unknown): string {
  if (value instanceof Uint8Array) return rawSerializer.name;
  return typeof value === "string" ? textSerializer.name : JSON_NAME;
}

function serializedAlready(
  value: unknown,
  contentType: string,
  encoding: string | undefined,
): SerializedBody {
  if (value instanceof Uint8Array) return { body: value, contentType, contentEncoding: encoding ?? "binary" };
  if (typeof value === "string") {
    const contentEncoding = encoding ?? "utf-8";
    return { body: encodeText(value, contentEncoding), contentType, contentEncoding };
  }
  throw new KombuError(
    "invalid_argument",
    `a body with a contentType must be bytes or a string, because it is not serialized; got ${describe(value)}`,
  );
}

/** Runs a serializer, which is the program's own code: whatever it throws becomes an error of this package. */
function attempt<T>(code: "not_serializable" | "decode_failed", serializer: Serializer, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof KombuError) throw cause;
    const verb = code === "decode_failed" ? "read the body" : "write this value";
    throw new KombuError(code, `the serializer ${serializer.name} could not ${verb}: ${String(cause)}`, {
      cause,
    });
  }
}

/** Not a matter of trust alone: to read a pickle is to run it, and no reader in JavaScript could tell a good one from a bad one. */
function pickleRefused(): KombuError {
  return disallowed(
    PICKLE.contentType,
    "it is a pickle, a program in Python's own format that can run any code of its sender; let the sender use json, msgpack or yaml",
  );
}

function disallowed(type: string, why: string): KombuError {
  return new KombuError("content_disallowed", `a body of type ${JSON.stringify(type)} is refused: ${why}`);
}
