/** Options of transports whose broker another thread can reach too. */
export interface RenewalOptions {
  /**
   * Who renews leases. `thread`, the default: the event loop, and while that is blocked a worker thread that stands by, with a connection
   * of its own to the broker. `loop`: the event loop alone, for programs in one file, where the thread's is missing.
   */
  readonly leaseRenewal?: LeaseRenewal;
}

/** Who renews leases. */
export type LeaseRenewal = "thread" | "loop";
