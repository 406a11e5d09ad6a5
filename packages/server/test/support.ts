import {
  BASE_PATH,
  manualClock,
  type StoreOptions,
  type WireError,
  type WireItemResult,
  type WireTask,
  type WireTaskQueue,
} from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { createHandler, type HandlerOptions } from "../src/handler.js";

/** Every field that an answer may have; a test asserts those that its answer must have. */
export type AnswerJson = Omit<WireTask, "kind"> &
  Omit<WireTaskQueue, "kind"> & {
    readonly kind: string;
    readonly items: readonly (WireTask & WireItemResult & { readonly maxLeases?: number })[];
    readonly error: WireError;
    readonly nextPageToken?: string;
    readonly purged: number;
    readonly redriven: number;
  };

/** An answer with its JSON read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: AnswerJson;
}

/** Where the handler believes to be. */
export const ORIGIN = "http://127.0.0.1:8085";

/** A queue that tests use. */
export const QUEUE = "p/taskqueues/q";

/** A handler over a fresh memory store with a manual clock, and ways to call it. */
export function openApi(options: Partial<HandlerOptions> = {}, storeOptions: StoreOptions = {}) {
  const clock = manualClock();
  const store = options.store ?? openMemoryStore({ clock, ...storeOptions });
  const handler = createHandler({ store, clock, ...options });
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    init: RequestInit = {},
  ): Promise<Answer> => {
    const url = ORIGIN + (path.startsWith("/") ? path : BASE_PATH + path);
    const sent = bodyOf(body);
    const response = await handler(
      new Request(url, { method, ...(sent === undefined ? {} : { body: sent }), ...init }),
    );
    const text = await response.text();
    const json = (text.startsWith("{") ? JSON.parse(text) : undefined) as AnswerJson;
    return { status: response.status, headers: response.headers, text, json };
  };
  const insert = async (fields: object = {}, queue = QUEUE): Promise<AnswerJson> =>
    (await call("POST", `${queue}/tasks`, { payloadBase64: "eA==", ...fields })).json;
  const lease = async (query = "", queue = QUEUE): Promise<AnswerJson["items"]> =>
    (await call("POST", `${queue}/tasks/lease?numTasks=10&leaseSecs=60${query}`)).json.items ?? [];
  return { clock, store, handler, call, insert, lease };
}

function bodyOf(body: unknown): string | Uint8Array<ArrayBuffer> | undefined {
  if (body === undefined || typeof body === "string") return body;
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
}

/** What an error answer says: status, reason, location. */
export function refusal({ status, json }: Answer): readonly unknown[] {
  const [first] = json.error.errors;
  return [status, first?.reason, first?.location];
}
