import { describe } from "@pullqueue/core";
import { KombuError } from "./errors.js";
import { parseMediaType } from "./media-type.js";
import { writePythonJson } from "./python-json.js";
import { readPythonJson } from "./python-json-reader.js";
import { suggest } from "./suggest.js";
import { decodeText, encodeText, isBinaryEncoding } from "./text-encoding.js";

/** Bodies to bytes and back, by content type, with kombu's rules about who may decode what. */

/** A way of writing bodies. One side may be missing. */
export interface Serializer {
  /** What `serializer` options call it. */
  readonly name: string;
  readonly contentType: string;
  /** `utf-8`, or `binary` when the bytes are no text. */
  readonly contentEncoding: string;
  /** The bytes of a value; throws what it likes, which becomes `not_serializable`. */
  readonly encode?: (value: unknown) => Uint8Array;
  /** The value of bytes that are not empty; throws what it likes, which becomes `decode_failed`. */
  readonly decode?: (body: Uint8Array, contentEncoding: string) => unknown;
}

/** A body ready to travel. */
export interface SerializedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
}

/** How a body is written. */
export interface DumpOptions {
  /** A serializer's name. Default: bytes as `application/data`, text as `text/plain`, anything else as JSON. */
  readonly serializer?: string | undefined;
  /** Says that the body is serialized already: bytes, or text that only needs its encoding. */
  readonly contentType?: string | undefined;
  /** Of a body with `contentType`. Default: `utf-8` for text, `binary` for bytes. */
  readonly contentEncoding?: string | undefined;
}

/** How a body is read. */
export interface LoadOptions {
  /** Serializer names or content types that may be decoded; raw data always may. Default: all that are registered. */
  readonly accept?: readonly string[] | undefined;
}

/** Any value; what JSON cannot hold is refused with its path. */
const JSON_SERIALIZER: Serializer = {
  name: "json",
  contentType: "application/json",
  contentEncoding: "utf-8",
  encode: (value) => Buffer.from(writePythonJson(value)),
  decode: (body, contentEncoding) => readPythonJson(decodeText(body, contentEncoding)),
};

/** A string. */
const TEXT_SERIALIZER: Serializer = {
  name: "text",
  contentType: "text/plain",
  contentEncoding: "utf-8",
  encode(value) {
    if (typeof value === "string") return encodeText(value, "utf-8");
    throw new KombuError("not_serializable", `the text serializer takes a string, got ${describe(value)}`);
  },
};

/** Bytes; or a string, which then says that it is UTF-8. */
const RAW_SERIALIZER: Serializer = {
  name: "raw",
  contentType: "application/data",
  contentEncoding: "binary",
  encode(value) {
    if (value instanceof Uint8Array) return value;
    if (typeof value === "string") return encodeText(value, "utf-8");
    throw new KombuError(
      "not_serializable",
      `the raw serializer takes bytes or a string, got ${describe(value)}`,
    );
  },
};

/** Types that every accept list has: they are not decoded, so that they can do no harm. Kombu's list. */
const ALWAYS_ACCEPTED: readonly string[] = ["application/data", "application/text"];

/** Types of Python's that are recognised in order to be refused, and why. */
const REFUSED_TYPES: ReadonlyMap<string, string> = new Map([
  ["application/x-python-serialize", "it is a pickle, which can run any code of its sender"],
  ["application/x-yaml", "YAML is not read unless you register a serializer for it"],
  ["application/x-msgpack", "MessagePack is not read unless you register a serializer for it"],
]);
const PICKLE_TYPE = "application/x-python-serialize";
const REFUSED_NAMES: ReadonlyMap<string, string> = new Map([
  ["pickle", PICKLE_TYPE],
  ["yaml", "application/x-yaml"],
  ["msgpack", "application/x-msgpack"],
]);

/** The serializers of one connection. A new one has `json`, `text` and `raw`. */
export class SerializerRegistry {
  readonly #byName = new Map<string, Serializer>();
  readonly #byType = new Map<string, Serializer>();

  constructor() {
    for (const serializer of [JSON_SERIALIZER, TEXT_SERIALIZER, RAW_SERIALIZER]) this.register(serializer);
  }

  /** Adds a serializer, or replaces the one of its name. Pickle cannot be registered: `content_disallowed`. */
  register(serializer: Serializer): void {
    const { type } = parseMediaType(serializer.contentType);
    if (type === PICKLE_TYPE) throw disallowed(type, REFUSED_TYPES.get(type)!);
    this.unregister(serializer.name);
    this.#byName.set(serializer.name, serializer);
    this.#byType.set(type, serializer);
  }

  /** Takes a serializer away by its name or content type; quiet when there is none. */
  unregister(nameOrType: string): void {
    const serializer = this.#byName.get(nameOrType) ?? this.#byType.get(parseMediaType(nameOrType).type);
    if (serializer === undefined) return;
    this.#byName.delete(serializer.name);
    this.#byType.delete(parseMediaType(serializer.contentType).type);
  }

  /**
   * The bytes of a value and what is said about them. Errors: `not_serializable`, `serializer_unknown`, and
   * `invalid_argument` for a `contentType` with a body that is neither bytes nor text.
   */
  dumps(value: unknown, options: DumpOptions = {}): SerializedBody {
    const { serializer: name, contentType, contentEncoding } = options;
    if (contentType !== undefined) return serializedAlready(value, contentType, contentEncoding);
    const serializer = this.#serializer(name ?? defaultName(value));
    if (serializer.encode === undefined) {
      throw new KombuError("serializer_unknown", `the serializer ${serializer.name} can only read`);
    }
    const body = attempt("not_serializable", serializer, () => serializer.encode!(value));
    const isRawText = serializer === RAW_SERIALIZER && typeof value === "string";
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
    options: LoadOptions = {},
  ): unknown {
    const { type, charset } = parseMediaType(contentType ?? RAW_SERIALIZER.contentType);
    const encoding = contentEncoding ?? charset ?? "utf-8";
    this.checkAccepted(type, options.accept);
    const decoder = this.#byType.get(type);
    if (body.byteLength > 0 && decoder?.decode !== undefined) {
      return attempt("decode_failed", decoder, () => decoder.decode!(body, encoding));
    }
    return isBinaryEncoding(encoding) || decoder?.decode !== undefined ? body : decodeText(body, encoding);
  }

  /** Throws `content_disallowed` when a body of this type may not be decoded, saying what may. */
  checkAccepted(contentType: string, accept: readonly string[] | undefined): void {
    const { type } = parseMediaType(contentType);
    const refusal = REFUSED_TYPES.get(type);
    if (refusal !== undefined && !this.#byType.has(type)) throw disallowed(type, refusal);
    if (accept === undefined || ALWAYS_ACCEPTED.includes(type)) return;
    const accepted = accept.map((entry) => this.typeOf(entry));
    if (accepted.includes(type)) return;
    throw disallowed(type, `accept has only ${[...accepted, ...ALWAYS_ACCEPTED].join(", ")}`);
  }

  /** The content type of a serializer's name; a content type is itself. Throws `serializer_unknown`. */
  typeOf(nameOrType: string): string {
    if (nameOrType.includes("/")) return parseMediaType(nameOrType).type;
    return parseMediaType(this.#serializer(nameOrType).contentType).type;
  }

  #serializer(name: string): Serializer {
    const serializer = this.#byName.get(name);
    if (serializer !== undefined) return serializer;
    const refusedType = REFUSED_NAMES.get(name);
    if (refusedType !== undefined) throw disallowed(refusedType, REFUSED_TYPES.get(refusedType)!);
    const known = [...this.#byName.keys()];
    throw new KombuError(
      "serializer_unknown",
      `there is no serializer ${JSON.stringify(name)}${suggest(name, known)}; there are ${known.join(", ")}`,
    );
  }
}

function defaultName(value: unknown): string {
  if (value instanceof Uint8Array) return RAW_SERIALIZER.name;
  return typeof value === "string" ? TEXT_SERIALIZER.name : JSON_SERIALIZER.name;
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

function disallowed(type: string, why: string): KombuError {
  return new KombuError("content_disallowed", `a body of type ${JSON.stringify(type)} is refused: ${why}`);
}
