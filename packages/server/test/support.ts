import { BASE_PATH, type JsonObject, manualClock, type StoreOptions } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { createHandler, type HandlerOptions } from "../src/handler.js";

/** An answer with its JSON read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: any;
}

/** A handler over a fresh memory store with a manual clock, and a way to call it. */
export function openApi(options: Partial<HandlerOptions> = {}, storeOptions: StoreOptions = {}) {
  const clock = manualClock();
  const store = openMemoryStore({ clock, ...storeOptions });
  const handler = createHandler({ store, clock, ...options });
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    init: RequestInit = {},
  ): Promise<Answer> => {
    const url = path.startsWith("/")
      ? `http://127.0.0.1:8085${path}`
      : `http://127.0.0.1:8085${BASE_PATH}${path}`;
    const sent =
      body === undefined || typeof body === "string" || body instanceof Uint8Array
        ? body
        : JSON.stringify(body);
    const response = await handler(
      new Request(url, { method, ...(sent === undefined ? {} : { body: sent as BodyInit }), ...init }),
    );
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text.startsWith("{") ? (JSON.parse(text) as JsonObject) : undefined,
    };
  };
  /** Inserts a task and gives the answer's resource. */
  const insert = async (fields: object = {}, queue = "p/taskqueues/q") =>
    (await call("POST", `${queue}/tasks`, { payloadBase64: "eA==", ...fields })).json;
  /** Leases and gives the items. */
  const lease = async (query = "", queue = "p/taskqueues/q"): Promise<readonly any[]> =>
    (await call("POST", `${queue}/tasks/lease?numTasks=10&leaseSecs=60${query}`)).json.items ?? [];
  return { clock, store, handler, call, insert, lease };
}
