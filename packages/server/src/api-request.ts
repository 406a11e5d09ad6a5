/**
 * What the API asks of a request. A Fetch `Request` is one; so is `NodeRequest`, which costs a fraction of that, because on
 * the way of a task nobody needs the rest.
 */
export interface ApiRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Pick<Headers, "get" | "has">;
  /** Aborts when the sender goes away before the answer. */
  readonly signal: AbortSignal;
  /** Whether the sender has gone, where that is known without a signal, which costs more than a small call. */
  hasGone?(): boolean;
  /** Says that the call waits from now on, so that `signal` aborts as soon as nothing can come of it; what it gives is called when the wait is over. */
  willWait?(): () => void;
  /** The body in pieces, for those that are large or of unknown length. */
  readonly body: AsyncIterable<Uint8Array> | null;
  /** The whole body; rejects when it ends before it is complete. */
  arrayBuffer(): Promise<ArrayBuffer | Uint8Array>;
}
