/** Every number of this package, with unit, source and reason. Those of tasks and leases are core's `limits`. */

const MIB = 1024 * 1024;

/** Deepest nesting of a JSON value, in levels. Python's reader gives up at about 990, so a consumer in Python could not read more. */
export const JSON_DEPTH_MAX = 500;

/** Largest body after decompression, in bytes. A stored message has at most 1 MiB, which zlib can make from 1 GiB of zeros. */
export const DECOMPRESSED_BYTES_MAX = 32 * MIB;

/** Highest priority. Kombu's virtual transports clamp to 0–9. */
export const PRIORITY_MAX = 9;

/** Longest name of an exchange or queue, and longest routing key, in bytes of UTF-8. AMQP: a short string. */
export const NAME_BYTES_MAX = 255;

/** Longest connection URL, in characters: longer ones are not written by hand, and error messages quote parts of it. */
export const URL_LENGTH_MAX = 4096;

/** Shortest lease, in milliseconds: the wire counts whole seconds. The longest is core's `LEASE_MS_MAX`. */
export const LEASE_MS_MIN = 1000;

/** Shortest and longest pause between two looks at a queue whose server cannot wait, in milliseconds. */
export const POLLING_INTERVAL_MS_MIN = 10;
/** An hour: anything longer is a mistake of units. */
export const POLLING_INTERVAL_MS_MAX = 3_600_000;

/** Longest time one message may be held by renewals, in milliseconds: what a timer can measure, about 24 days. */
export const HOLD_MS_MAX = 2_147_483_647;

/** Longest integer of a JSON text, in digits. Python's `int()` refuses more, because the conversion takes quadratic time. */
export const INTEGER_DIGITS_MAX = 4300;
