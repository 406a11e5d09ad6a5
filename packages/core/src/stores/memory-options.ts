import type { StoreOptions } from "../store.js";

/** Options of a memory store. */
export interface MemoryStoreOptions extends StoreOptions {
  /** Payload bytes held at most; an insert past it is refused as `resource_exhausted`. Default `MEMORY_PAYLOAD_BYTES_DEFAULT`. */
  readonly payloadBytesMax?: number | undefined;
  /** Tasks held at most, likewise. Default `MEMORY_TASKS_DEFAULT`. */
  readonly tasksMax?: number | undefined;
  /**
   * Who calls never changes the bytes of a payload, neither those that it gives nor those that it gets, so that they need no copies. Default
   * false: they are copied on both ways.
   */
  readonly sharesPayloads?: boolean | undefined;
}
