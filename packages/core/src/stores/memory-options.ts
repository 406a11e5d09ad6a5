import type { StoreOptions } from "../store.js";

/** Options of a memory store. */
export interface MemoryStoreOptions extends StoreOptions {
  /** Payload bytes held at most; an insert past it is refused as `resource_exhausted`. Default `MEMORY_PAYLOAD_BYTES_DEFAULT`. */
  readonly payloadBytesMax?: number | undefined;
  /** Tasks held at most, likewise. Default `MEMORY_TASKS_DEFAULT`. */
  readonly tasksMax?: number | undefined;
  /**
   * Who calls never changes the bytes of a payload, neither those that it gives nor those that it gets, so that they need no copies;
   * `leased`: not those that it gets, while what it gives may be a small part of memory that must not be kept for so long. Default false:
   * they are copied on both ways.
   */
  readonly sharesPayloads?: boolean | "leased" | undefined;
}

/** What a store makes of the bytes of a payload. */
export interface PayloadSharing {
  /** To keep them. */
  keep(payload: Uint8Array): Uint8Array;
  /** For somebody else's eyes. */
  share(payload: Uint8Array): Uint8Array;
}

/** What the options say of payloads. */
export function payloadSharing({ sharesPayloads = false }: MemoryStoreOptions): PayloadSharing {
  return {
    keep: sharesPayloads === true ? itself : copyOf,
    share: sharesPayloads === false ? copyOf : itself,
  };
}

function itself(payload: Uint8Array): Uint8Array {
  return payload;
}

function copyOf(payload: Uint8Array): Uint8Array {
  return new Uint8Array(payload);
}
