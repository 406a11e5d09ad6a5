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

/** Gives a current access token. Whatever can sign in can be one; `packages/auth` makes them from credential files. */
export interface TokenSource {
  /** `rejected` is a token that the server has just refused, so that a cached one is not given again. */
  getAccessToken(options: {
    readonly signal?: AbortSignal | undefined;
    readonly rejected?: string;
  }): Promise<string>;
}
