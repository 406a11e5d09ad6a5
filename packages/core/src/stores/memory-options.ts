import { invalid } from "../argument-rules.js";
import type { StoreOptions } from "../store.js";

/** Which payloads a memory store hands on as they are. */
export type SharedPayloads = "none" | "leased" | "all";

/** Options of a memory store. */
export interface MemoryStoreOptions extends StoreOptions {
  /** Payload bytes held at most; an insert past it is refused as `resource_exhausted`. Default `MEMORY_PAYLOAD_BYTES_DEFAULT`. */
  readonly payloadBytesMax?: number | undefined;
  /** Tasks held at most, likewise. Default `MEMORY_TASKS_DEFAULT`. */
  readonly tasksMax?: number | undefined;
  /**
   * Which payloads need no copy, because who calls never changes their bytes: `none`; `leased`: those that it gets, while what it gives
   * may be a small part of memory that must not be kept for so long; `all`: those that it gives too. Default `none`.
   */
  readonly sharedPayloads?: SharedPayloads | undefined;
}

/** What a store makes of the bytes of a payload. */
export interface PayloadSharing {
  /** To keep them. */
  keep(payload: Uint8Array): Uint8Array;
  /** For somebody else's eyes. */
  share(payload: Uint8Array): Uint8Array;
}

/** What the options say of payloads. Throws `invalid_argument`. */
export function payloadSharing({ sharedPayloads = "none" }: MemoryStoreOptions): PayloadSharing {
  switch (sharedPayloads) {
    case "none":
      return { keep: copyOf, share: copyOf };
    case "leased":
      return { keep: copyOf, share: itself };
    case "all":
      return { keep: itself, share: itself };
    default:
      throw invalid("sharedPayloads", 'sharedPayloads must be "none", "leased" or "all"', sharedPayloads);
  }
}

function itself(payload: Uint8Array): Uint8Array {
  return payload;
}

function copyOf(payload: Uint8Array): Uint8Array {
  return new Uint8Array(payload);
}
