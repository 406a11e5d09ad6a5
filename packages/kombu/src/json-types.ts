import { isUtf8 } from "node:buffer";
import { describe } from "@pullqueue/core";
import { type Check, checkOptions, functionCheck, keyCheck } from "./check.js";
import { KombuError } from "./errors.js";
import { isoText } from "./python-time.js";

/** How values of one class stand in JSON: kombu's `register_type`. */
export interface JsonType<T extends object> {
  /** The class. Values of its subclasses are written too, unless they have a type of their own. */
  readonly type: abstract new (
    ...args: never[]
  ) => T;
  /** Kombu's name in `{"__type__": marker, "__value__": …}`. Undefined: what `encode` gives stands alone and is not recognised. */
  readonly marker?: string | undefined;
  /** What stands in the JSON text: anything that can be written. Not called on the value it returns. */
  readonly encode: (value: T) => unknown;
  /** The value again, instead of what this package makes of the marker. Throws what it likes, which becomes `decode_failed`. */
  readonly decode?: ((value: unknown) => unknown) | undefined;
}

/**
 * `plain`: what every kombu writes, dates as ISO text and no bytes. `kombu-5.3`: dates and bytes as the `__type__` objects that
 * kombu has since 5.3; older ones read them as the objects they are.
 */
export type JsonTypesName = "plain" | "kombu-5.3";

const TYPE_CHECKS: Readonly<Record<keyof JsonType<object>, Check>> = {
  type: functionCheck,
  marker: keyCheck,
  encode: functionCheck,
  decode: functionCheck,
};

const DATETIME: JsonType<Date> = { type: Date, marker: "datetime", encode: (date) => isoText(date, "T") };

/** Text where bytes are UTF-8, base64 otherwise: kombu's rule. */
const BYTES: JsonType<Uint8Array> = {
  type: Uint8Array,
  marker: "bytes",
  encode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"),
};
const BASE64: JsonType<Uint8Array> = {
  type: Uint8Array,
  marker: "base64",
  encode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
};

/** The classes that JSON is written and read with, beyond what it has words for. */
export class JsonTypes {
  readonly #types: JsonType<object>[] = [];
  readonly #decoders = new Map<string, (value: unknown) => unknown>();
  readonly #writesKombuTypes: boolean;

  constructor(name: JsonTypesName = "plain") {
    this.#writesKombuTypes = name === "kombu-5.3";
  }

  /** Adds a class. The latest that fits a value is taken. Throws `invalid_argument`. */
  register<T extends object>(type: JsonType<T>): void {
    checkOptions("a JSON type", type, TYPE_CHECKS);
    for (const name of ["type", "encode"] as const) {
      if (type[name] === undefined) throw new KombuError("invalid_argument", `a JSON type needs ${name}`);
    }
    if (type.decode !== undefined && type.marker === undefined) {
      const why =
        "a JSON type with decode needs a marker, because nothing else says which values to call it with";
      throw new KombuError("invalid_argument", why);
    }
    this.#types.unshift(type as unknown as JsonType<object>);
    if (type.marker !== undefined && type.decode !== undefined) {
      this.#decoders.set(type.marker, type.decode);
    }
  }

  /** What stands for a value in JSON; undefined when it stands for itself. */
  replace(value: object): { readonly plain: unknown } | undefined {
    const type = this.#types.find((known) => value instanceof known.type) ?? this.#kombuType(value);
    if (type === undefined) return undefined;
    const plain = type.encode(value);
    if (type.marker !== undefined) return { plain: { __type__: type.marker, __value__: plain } };
    if (plain !== undefined) return { plain };
    throw new KombuError(
      "not_serializable",
      `the registered JSON type ${type.type.name} gave undefined for ${describe(value)}`,
    );
  }

  /** The program's own reader of a marker. */
  decoder(marker: unknown): ((value: unknown) => unknown) | undefined {
    return typeof marker === "string" ? this.#decoders.get(marker) : undefined;
  }

  #kombuType(value: object): JsonType<object> | undefined {
    if (!this.#writesKombuTypes) return undefined;
    if (value instanceof Date) return DATETIME as unknown as JsonType<object>;
    if (!(value instanceof Uint8Array)) return undefined;
    return (isUtf8(value) ? BYTES : BASE64) as unknown as JsonType<object>;
  }
}
