import { isAscii } from "node:buffer";
import { decodePayload } from "./base64.js";
import { isQueueError } from "./errors.js";
import { randomFraction } from "./ids.js";
import { BATCH_ITEMS_MAX } from "./limits.js";

/** Shorter texts are read faster as they are. In bytes. */
const LARGE = 2048;

const FIELD = Buffer.from('"payloadBase64":"');
const ITEMS = '"items":[';
const QUOTE = 0x22;
/** What stands before a member's name, where nothing is indented: `{` or `,`. */
const BEFORE_MEMBER: readonly (number | undefined)[] = [0x7b, 0x2c];
/** And behind its value: `,` or `}`. Anything else might go on with the number that stands for it. */
const BEHIND_MEMBER: readonly (number | undefined)[] = [0x2c, 0x7d];

/** Payloads are numbered from here, in this process, so that whoever sends a number for a payload does not hit one that was taken out. */
const FIRST_NUMBER = 100_000_000 + Math.floor(randomFraction() * 800_000_000);

/**
 * The JSON of a large text with payloads in its `items`, which are taken out before `parse` is given the rest, and are bytes already: a
 * text of a whole batch with all payloads in it costs several times what is in it, most of it for memory. Undefined where the text is
 * another, or payloads do not stand as we write them, or `parse` throws: that is for the usual way to read or to refuse.
 */
export function parseTakingPayloads(bytes: Buffer, parse: (text: string) => unknown): unknown {
  if (bytes.byteLength <= LARGE) return undefined;
  let field = bytes.indexOf(FIELD);
  if (field === -1 || !bytes.subarray(0, field).includes(ITEMS) || !isAscii(bytes)) return undefined;
  const payloads: Uint8Array[] = [];
  let rest = "";
  let at = 0;
  // In JSON a quote that is not escaped begins or ends a text, so that none is mistaken.
  for (; field !== -1; field = bytes.indexOf(FIELD, at)) {
    // Whoever sends a million of nothing is not to be given an object for each.
    if (payloads.length === BATCH_ITEMS_MAX) return undefined;
    const start = field + FIELD.byteLength;
    const end = bytes.indexOf(QUOTE, start);
    const payload = end === -1 ? undefined : decoded(bytes.toString("latin1", start, end));
    const isMember = BEFORE_MEMBER.includes(bytes[field - 1]) && BEHIND_MEMBER.includes(bytes[end + 1]);
    if (payload === undefined || !isMember) return undefined;
    // Its number stands for it.
    rest += bytes.toString("latin1", at, start - 1) + (FIRST_NUMBER + payloads.length);
    payloads.push(payload);
    at = end + 1;
  }
  const json = parsed(rest + bytes.toString("latin1", at), parse);
  return putBack(json, payloads) ? json : undefined;
}

/** Something else than base64, such as an escaped padding, is undefined. */
function decoded(base64: string): Uint8Array | undefined {
  try {
    return decodePayload(base64);
  } catch (error) {
    if (isQueueError(error)) return undefined;
    throw error;
  }
}

/** What is wrong, and where, is to be said of the whole text. */
function parsed(text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** Whether all of them were payloads of items. */
function putBack(json: unknown, payloads: readonly Uint8Array[]): boolean {
  const items = (json as { readonly items?: unknown } | null | undefined)?.items;
  if (!Array.isArray(items)) return false;
  let next = 0;
  for (const item of items as readonly { payloadBase64?: unknown }[]) {
    if (typeof item?.payloadBase64 !== "number") continue;
    if (item.payloadBase64 !== FIRST_NUMBER + next) return false;
    item.payloadBase64 = payloads[next];
    next += 1;
  }
  return next === payloads.length;
}
