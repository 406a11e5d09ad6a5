/** Somebody from whom `drainEvents` can get an event: a consumer that has been started. */
export interface EventSource {
  /** Whether a message may be received now. */
  readonly canReceive: boolean;
  /** Whether an event is buffered. */
  readonly hasEvent: boolean;
  /** Throws when events could not be handled, before one is received in vain. */
  checkReady(): void;
  /** Receives what there is into the source's own buffer, waiting up to `waitMs` for the first. */
  fill(request: { readonly waitMs: number; readonly signal: AbortSignal }): Promise<void>;
  /** Handles one buffered event; false when there is none. */
  dispatch(): Promise<boolean>;
}
