/**
 * HTTP reduced to one function: send this request, get this answer. Two implementations: undici over sockets
 * (`undici-client.ts`), and a server's own function in process.
 */

/** A request whose body fits into memory. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query below the server's endpoint, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** How long the server may take to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether the server may let this request wait on purpose; such requests do not share connections with others. */
  readonly waiting?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called when the first byte may have left: until then a failure means that the server did nothing. */
  readonly onSent?: () => void;
}

/** An answer, read whole. Header names are in lower case. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * Sends a request. Rejects with the signal's reason after an abort, otherwise with a `QueueError`: `timeout` when no
 * answer came in time, `unavailable` when the connection failed, `too_large` past `RESPONSE_BYTES_MAX`.
 */
export interface HttpClient {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** What a token source is told. */
export interface TokenQuery {
  /** Ends the asking. */
  readonly signal?: AbortSignal;
  /** A token that the server has just refused, so that a cached one is not given again. */
  readonly rejected?: string;
  /** The server has just refused a call that was sent without a token. */
  readonly demanded?: boolean;
}

/**
 * Gives a current access token, or undefined to send a call without one. What it throws is the cause of the call's error. Whatever can
 * sign in can be one; `packages/auth` makes them from credential files. Whoever made it closes it.
 */
export interface TokenSource {
  getAccessToken(query: TokenQuery): Promise<string | undefined>;
}
