import { JSON_DEPTH_MAX } from "../limits.js";
import { requireOptional } from "../optional-module.js";
import { type PlainFormat, plainValue, withNumbers } from "../plain-value.js";
import type { Serializer } from "../serializer.js";

/** What is used of https://www.npmjs.com/package/@msgpack/msgpack. */
interface MsgpackLibrary {
  encode(value: unknown, options: { readonly useBigInt64: true; readonly maxDepth: number }): Uint8Array;
  decode(
    body: Uint8Array,
    options: {
      readonly useBigInt64: true;
      readonly maxArrayLength: number;
      readonly maxMapLength: number;
    },
  ): unknown;
}

/** What 32 and 64 bits hold, with a sign or without. */
const INTEGERS_32 = { min: -(2 ** 31), max: 2 ** 32 - 1 };
const INTEGERS_64 = { min: -(2n ** 63n), max: 2n ** 64n - 1n };

/** The library writes numbers of over 32 bits as floats, and BigInts always in 64 bits: each integer has to come as the right one. */
const FORMAT: PlainFormat = {
  name: "MessagePack",
  number(value) {
    if (typeof value === "number" && !Number.isSafeInteger(value)) return value;
    if (value >= INTEGERS_32.min && value <= INTEGERS_32.max)
      return Object.is(value, -0) ? -0 : Number(value);
    const isHeld = value >= INTEGERS_64.min && value <= INTEGERS_64.max;
    return isHeld ? BigInt(value) : "an integer of over 64 bits";
  },
};

/**
 * MessagePack as kombu has it: text as str, bytes as bin, integers as short as they go. A Date is MessagePack's timestamp, which Python
 * reads as `msgpack.Timestamp`. Needs the package @msgpack/msgpack.
 */
export const msgpackSerializer: Serializer = {
  name: "msgpack",
  contentType: "application/x-msgpack",
  contentEncoding: "binary",
  encode(value) {
    const plain = plainValue(FORMAT, value);
    return library().encode(plain, { useBigInt64: true, maxDepth: JSON_DEPTH_MAX + 1 });
  },
  decode(body) {
    // Nothing has more members than bytes: a length that lies must not reserve memory.
    const options = { maxArrayLength: body.byteLength, maxMapLength: body.byteLength };
    return withNumbers(library().decode(body, { useBigInt64: true, ...options }));
  },
};

function library(): MsgpackLibrary {
  return requireOptional<MsgpackLibrary>("@msgpack/msgpack", 'the serializer "msgpack"');
}
