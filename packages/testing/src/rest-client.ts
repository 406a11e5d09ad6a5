import { buildPath, ROUTES, type RouteName } from "@pullqueue/core";

/** A caller of the REST API that knows nothing but HTTP and JSON: what curl would send. */
export interface RestClient {
  /** Sends one call and reads the answer. Rejects with `NoAnswerError` when the connection broke before the answer was whole. */
  call(name: RouteName, request?: RestRequest): Promise<RestAnswer>;
}

/** What goes with a call. */
export interface RestRequest {
  readonly task?: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: unknown;
}

/** Status and parsed JSON; undefined for an empty body. */
export interface RestAnswer {
  readonly status: number;
  readonly json: unknown;
}

/** A Task resource, as far as our tests look at it. */
export interface RestTask {
  readonly id: string;
  readonly payloadBase64?: string;
  /** Microseconds as decimal text. */
  readonly leaseTimestamp: string;
  readonly retry_count: number;
  readonly deadLetter?: { readonly queueName: string };
}

/** The server is not there, or went away before its answer was whole. What was asked for may have happened or not. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** How long an answer may take, in milliseconds: long leases included, a hung server not. */
const ANSWER_MS = 60_000;

/** A client for one queue of a server. */
export function restClient(url: string, project: string, taskqueue: string): RestClient {
  return {
    async call(name, { task, query = {}, body } = {}) {
      const path = buildPath(name, { project, taskqueue, ...(task === undefined ? {} : { task }) });
      const address = new URL(path, url);
      for (const [key, value] of Object.entries(query)) address.searchParams.set(key, String(value));
      const { status, text } = await send(address, {
        method: ROUTES[name].method,
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      return { status, json: text === "" ? undefined : JSON.parse(text) };
    },
  };
}

/** The tasks in the answer of a lease or a list; Google leaves `items` out when there are none. */
export function tasksOf(answer: RestAnswer): readonly RestTask[] {
  return (answer.json as { readonly items?: readonly RestTask[] }).items ?? [];
}

async function send(address: URL, request: RequestInit): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(address, request);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    // `fetch` reports every broken connection as a TypeError; a time-out keeps its own reason.
    if (error instanceof TypeError)
      throw new NoAnswerError(`no answer from ${address.origin}`, { cause: error });
    throw error;
  }
}
