import { isAscii } from "node:buffer";
import { decodePayload } from "../base64.js";
import { isQueueError } from "../errors.js";

/** Shorter answers are read faster as they are. In bytes. */
const LARGE = 2048;

const FIELD = Buffer.from('"payloadBase64":"');
const QUOTE = 0x22;
/** What stands before a member's name, where nothing is indented: `{` or `,`. */
const BEFORE_MEMBER: readonly (number | undefined)[] = [0x7b, 0x2c];

/**
 * The JSON of an answer; undefined for an empty one. The payloads of a large one's items are taken out before the rest is parsed, and are
 * bytes already: a text of a whole page with all payloads in it costs several times what is in it, most of it for memory.
 */
export function parseAnswer(body: Uint8Array): unknown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const parsed = bytes.byteLength > LARGE && isAscii(bytes) ? withPayloadsTaken(bytes) : undefined;
  if (parsed !== undefined) return parsed;
  const text = bytes.toString();
  return text === "" ? undefined : JSON.parse(text);
}

/** Undefined where payloads do not stand as we write them. In JSON a quote that is not escaped begins or ends a text, so that none is mistaken. */
function withPayloadsTaken(bytes: Buffer): unknown {
  const payloads: Uint8Array[] = [];
  let rest = "";
  let at = 0;
  for (let field = bytes.indexOf(FIELD); field !== -1; field = bytes.indexOf(FIELD, at)) {
    const start = field + FIELD.byteLength;
    const end = bytes.indexOf(QUOTE, start);
    const payload = end === -1 ? undefined : decoded(bytes.toString("latin1", start, end));
    if (payload === undefined || !BEFORE_MEMBER.includes(bytes[field - 1])) return undefined;
    // Its number stands for it.
    rest += bytes.toString("latin1", at, start - 1) + payloads.length;
    payloads.push(payload);
    at = end + 1;
  }
  if (payloads.length === 0) return undefined;
  const json: unknown = JSON.parse(rest + bytes.toString("latin1", at));
  return putBack(json, payloads) ? json : undefined;
}

/** Something else than base64, such as an escaped padding, is for the usual way to read or to refuse. */
function decoded(base64: string): Uint8Array | undefined {
  try {
    return decodePayload(base64);
  } catch (error) {
    if (isQueueError(error)) return undefined;
    throw error;
  }
}

/** Whether all of them were payloads of items. */
function putBack(json: unknown, payloads: readonly Uint8Array[]): boolean {
  const { items } = json as { readonly items?: unknown };
  if (!Array.isArray(items)) return false;
  let next = 0;
  for (const item of items as readonly { payloadBase64?: unknown }[]) {
    if (typeof item?.payloadBase64 !== "number") continue;
    if (item.payloadBase64 !== next) return false;
    item.payloadBase64 = payloads[next];
    next += 1;
  }
  return next === payloads.length;
}
