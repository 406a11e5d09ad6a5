import { abortable, followSignals, pause } from "../abortable.js";
import { isQueueError, QueueError } from "../errors.js";
import type { HttpRequest, HttpResponse, TokenQuery } from "../http-client.js";
import { errorFromWire } from "../http-status.js";
import { CLIENT_BACKOFF_MS_MAX, CLIENT_BACKOFF_MS_MIN, CLIENT_WAIT_MARGIN_MS } from "../limits.js";
import { projectWithPrefix } from "../names.js";
import { buildPath, ROUTES, type RouteName, type RouteParameters } from "../routes.js";
import type { QueueKey } from "../task.js";
import type { JsonObject } from "../wire-read.js";
import { parseAnswer } from "./http-answer.js";
import type { HttpStoreSettings } from "./http-options.js";
import { ServerClock } from "./server-clock.js";

/** One call of the API. */
export interface ApiCall<T> {
  readonly route: RouteName;
  /** The project without prefix. */
  readonly path: RouteParameters;
  readonly query?: readonly (readonly [name: string, value: string | number | boolean])[];
  /** JSON, or bytes that are JSON already. */
  readonly body?: JsonObject | Uint8Array;
  /** Reads the answer; what it throws means that the answer is not one of this API. */
  readonly read: (json: unknown) => T;
  /**
   * When a failed call is repeated: after whatever may pass, because repeating is harmless; or only when the server has
   * certainly done nothing, because it would do it twice.
   */
  readonly repeat: "harmless" | "undone";
  /** Ends the call with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** After this fires nothing is repeated, but an answer on its way is still read. */
  readonly lastAttempt?: AbortSignal | undefined;
  /** How long the server may let the call wait on purpose, in milliseconds. */
  readonly waitMs?: number | undefined;
  /** How long to go on trying while the server is away, in milliseconds. Default: the store's deadline. */
  readonly patienceMs?: number | undefined;
}

/** What came of a call. `unclear`: an earlier attempt went unanswered, so the server may have done it before. `isRepeated`: there was an earlier attempt. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T; readonly unclear: boolean; readonly isRepeated?: boolean }
  | { readonly ok: false; readonly error: QueueError; readonly unclear: boolean };

/** Why one attempt failed. */
interface Failure {
  readonly error: QueueError;
  /** Trying again may help. */
  readonly passing: boolean;
  /** The server may have done what was asked. */
  readonly perhapsDone: boolean;
}

/** Shorter tokens keep nothing secret. In characters. */
const SECRET_LENGTH_MIN = 8;

/** Statuses by which a server says that it did nothing and may later. */
const UNDONE = new Set([429, 503]);

/** Sends calls: builds requests, signs them, reads answers, repeats what may be repeated. */
export class HttpCalls {
  readonly serverClock: ServerClock;
  readonly #settings: HttpStoreSettings;
  readonly #closing: AbortSignal;
  readonly #onConnectionLost: () => void;

  /** `closing` ends all repeating. `onConnectionLost` hears when the server may be another one when it is back. */
  constructor(settings: HttpStoreSettings, closing: AbortSignal, onConnectionLost: () => void) {
    this.serverClock = new ServerClock(settings.clock);
    this.#settings = settings;
    this.#closing = closing;
    this.#onConnectionLost = onConnectionLost;
  }

  /** The answer's value. Rejects with what stands in the way, after all repetitions. */
  async value<T>(call: ApiCall<T>): Promise<T> {
    const outcome = await this.outcome(call);
    if (outcome.ok) return outcome.value;
    throw outcome.error;
  }

  /** What came of it, for callers that must know whether it may have been done before. Rejects only after an abort. */
  async outcome<T>(call: ApiCall<T>): Promise<Outcome<T>> {
    const { method, path } = requestLine(call, this.#settings.projectPrefix);
    return this.repeatedly(call, {
      method,
      path,
      ...(call.body === undefined ? {} : { body: bodyOf(call.body) }),
    });
  }

  /** The same for any path. */
  async repeatedly<T>(
    call: Pick<ApiCall<T>, "read" | "repeat" | "signal" | "lastAttempt" | "waitMs" | "patienceMs">,
    line: Pick<HttpRequest, "method" | "path" | "body">,
  ): Promise<Outcome<T>> {
    const { clock, deadlineMs } = this.#settings;
    const timeoutMs =
      call.waitMs === undefined ? this.#settings.timeoutMs : call.waitMs + CLIENT_WAIT_MARGIN_MS;
    const startUs = clock.nowUs();
    const longestMs = Math.max(deadlineMs, timeoutMs);
    const repeatingMs = call.patienceMs ?? (call.waitMs === undefined ? deadlineMs : longestMs);
    const leftOfMs = (ms: number) => Math.max(1, Math.ceil(ms - (clock.nowUs() - startUs) / 1000));
    let unclear = false;
    for (let attempt = 0; ; attempt++) {
      const request = { ...line, waiting: call.waitMs !== undefined, signal: call.signal };
      const result = await this.#attempt(call, {
        ...request,
        timeoutMs: Math.min(timeoutMs, leftOfMs(longestMs)),
      });
      if (!("error" in result)) return { ok: true, value: result.value, unclear, isRepeated: attempt > 0 };
      const { error, passing, perhapsDone } = result;
      unclear ||= perhapsDone && passing;
      const repeatable = passing && (call.repeat === "harmless" || !perhapsDone);
      if (!repeatable || !(await this.pauseBefore(attempt, error, leftOfMs(repeatingMs), call))) {
        return { ok: false, error, unclear };
      }
    }
  }

  /** Pauses after a failed attempt; false when there is no time for another one. Rejects with the signal's reason. */
  async pauseBefore(
    attempt: number,
    error: QueueError,
    leftMs: number,
    { signal, lastAttempt }: Pick<ApiCall<unknown>, "signal" | "lastAttempt">,
  ): Promise<boolean> {
    const { clock, random, onRetry } = this.#settings;
    const pauseMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, random()));
    if (pauseMs >= leftMs) return false;
    onRetry?.(error);
    await pause(clock, pauseMs, signal, lastAttempt, this.#closing);
    signal?.throwIfAborted();
    return !this.#closing.aborted && lastAttempt?.aborted !== true;
  }

  async #attempt<T>(
    call: Pick<ApiCall<T>, "read">,
    request: HttpRequest,
  ): Promise<{ readonly value: T } | Failure> {
    let sent = false;
    const onSent = () => {
      sent = true;
    };
    try {
      const response = await this.#send({ ...request, onSent });
      return "error" in response ? response : readResponse(response, call.read);
    } catch (error) {
      request.signal?.throwIfAborted();
      // A client's own errors say what to expect of the next attempt; others are defects.
      if (!isQueueError(error)) throw error;
      if (error.code === "unavailable") this.#onConnectionLost();
      return { error, passing: isPassing(error), perhapsDone: sent };
    }
  }

  /** Sends with a token, if the source gives one; one that the server refuses, or demands, is had once more. */
  async #send(request: HttpRequest): Promise<HttpResponse | Failure> {
    if (this.#settings.tokens === undefined) return this.#observed(request, headersFor(request));
    const first = await this.#token(request);
    if ("error" in first) return first;
    const { token } = first;
    const response = await this.#signed(request, token);
    if (response.status !== 401) return response;
    const other = await this.#token(request, token === undefined ? { demanded: true } : { rejected: token });
    if ("error" in other) return other;
    const isNew = other.token !== undefined && other.token !== token;
    return isNew ? this.#signed(request, other.token) : response;
  }

  async #signed(request: HttpRequest, token: string | undefined): Promise<HttpResponse> {
    const response = await this.#observed(request, headersFor(request, token));
    return token === undefined || response.status < 300 ? response : withoutToken(response, token);
  }

  /** A token source may be anybody's: it gets as much time as a server, and this is the door where it throws. */
  async #token(
    { timeoutMs, signal }: HttpRequest,
    why: Omit<TokenQuery, "signal"> = {},
  ): Promise<{ readonly token: string | undefined } | Failure> {
    const { clock, tokens } = this.#settings;
    const longestMs = Math.min(timeoutMs, this.#settings.timeoutMs);
    const late = new AbortController();
    const cancelTimer = clock.timer(longestMs, () => late.abort(noTokenInTime(longestMs)), {
      keepAlive: true,
    });
    const either = followSignals(signal, late.signal);
    try {
      const asked = Promise.resolve(tokens!.getAccessToken({ ...why, signal: either.signal }));
      return { token: checkedToken(await abortable(asked, either.signal)) };
    } catch (cause) {
      signal?.throwIfAborted();
      const error = tokenError(cause);
      // The server was not asked, or has refused: either way it did nothing.
      return { error, passing: isPassing(error), perhapsDone: false };
    } finally {
      cancelTimer();
      either.release();
    }
  }

  async #observed(request: HttpRequest, headers: Record<string, string>): Promise<HttpResponse> {
    const { client, clock } = this.#settings;
    const sentUs = clock.nowUs();
    const response = await client.send({ ...request, headers });
    this.serverClock.observe(response.headers.date, sentUs, clock.nowUs());
    return response;
  }
}

/** What a header cannot hold would break the connection, or show the token in an error. RFC 6750's tokens are narrower. */
function checkedToken(token: unknown): string | undefined {
  if (token === undefined || (typeof token === "string" && /^[\x21-\x7e]+$/.test(token))) return token;
  throw new QueueError(
    "unauthenticated",
    `an access token is a string of visible ASCII characters, and the token source gave ${typeof token === "string" ? "another string" : typeof token}`,
  );
}

/** A refusal becomes an error's message, and errors are logged: a server that repeats the token is not quoted so far. */
function withoutToken(response: HttpResponse, token: string): HttpResponse {
  // A short one, of a test or a stand-in, could be a word of the answer.
  if (token.length < SECRET_LENGTH_MIN) return response;
  const text = Buffer.from(response.body).toString();
  const spellings = [token, token.replaceAll("/", "\\/")];
  const cleared = spellings.reduce((rest, spelling) => rest.replaceAll(spelling, "…"), text);
  return cleared === text ? response : { ...response, body: Buffer.from(cleared) };
}

/** What a token source threw. `packages/auth` is known by the shape of its errors: their messages say what to do, and hold no secret. */
function tokenError(cause: unknown): QueueError {
  if (isQueueError(cause)) return cause;
  if (!(cause instanceof Error && cause.name === "AuthError" && "code" in cause)) {
    return new QueueError("unauthenticated", "no access token could be had; the cause says why", { cause });
  }
  const { code } = cause;
  const passing = code === "unavailable" || code === "timeout" ? code : undefined;
  return new QueueError(passing ?? "unauthenticated", cause.message, { cause });
}

function isPassing({ code }: QueueError): boolean {
  return code === "unavailable" || code === "timeout";
}

function noTokenInTime(ms: number): QueueError {
  return new QueueError("timeout", `the token source gave no access token within ${ms} ms`);
}

/** The path parameters of a queue. */
export function queuePath({ project, queue }: QueueKey): RouteParameters {
  return { project, taskqueue: queue };
}

function requestLine(call: ApiCall<unknown>, prefix: string): { method: string; path: string } {
  const project = projectWithPrefix(call.path.project, prefix);
  const pairs = (call.query ?? []).map(([name, value]) => `&${name}=${encodeURIComponent(value)}`);
  return {
    method: ROUTES[call.route].method,
    path: `${buildPath(call.route, { ...call.path, project })}?prettyPrint=false${pairs.join("")}`,
  };
}

function bodyOf(body: JsonObject | Uint8Array): string | Uint8Array {
  return body instanceof Uint8Array ? body : JSON.stringify(body);
}

function headersFor({ body }: HttpRequest, token?: string): Record<string, string> {
  return {
    accept: "application/json",
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

/** The door where HTTP ends. */
function readResponse<T>(
  { status, headers, body }: HttpResponse,
  read: (json: unknown) => T,
): { readonly value: T } | Failure {
  const success = status >= 200 && status < 300;
  try {
    const json = parseAnswer(body);
    if (success) return { value: read(json) };
    return refusal(status, errorFromWire(status, json, retryAfterMs(headers["retry-after"])));
  } catch (cause) {
    // An error page of something in between is as good as its status; a success has to make sense.
    if (!success)
      return refusal(status, errorFromWire(status, undefined, retryAfterMs(headers["retry-after"])));
    const error = new QueueError(
      "unavailable",
      `the answer (status ${status}) is not one of a pull-queue server; is something else at this endpoint, or in between?`,
      { cause },
    );
    return { error, passing: true, perhapsDone: true };
  }
}

function refusal(status: number, error: QueueError): Failure {
  if (UNDONE.has(status)) return { error, passing: true, perhapsDone: false };
  const passing = status === 408 || (status >= 500 && status !== 501);
  return { error, passing, perhapsDone: passing };
}

/** Seconds, or a date; the latter is rounded to seconds and rare, so the pause of our own will do. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

/** Twice as long each time, up to the longest; half of it left to chance, so that many clients do not come back at once. */
function backoffMs(attempt: number, random: number): number {
  const fullMs = Math.min(CLIENT_BACKOFF_MS_MAX, CLIENT_BACKOFF_MS_MIN * 2 ** attempt);
  return fullMs * (1 - random / 2);
}
