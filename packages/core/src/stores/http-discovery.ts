import { abortable } from "../abortable.js";
import type { Clock } from "../clock.js";
import { QueueError } from "../errors.js";
import { BATCH_ITEMS_MAX, CLIENT_BATCH_PAYLOAD_BYTES, WAIT_MS_MAX } from "../limits.js";
import { DISCOVERY_PATH, ROUTES, type RouteName } from "../routes.js";
import { type JsonObject, readInteger, readObject } from "../wire-read.js";
import type { HttpCalls, Outcome } from "./http-calls.js";

/** What a server offers beyond the eight methods of v1beta2. */
export interface ServerFeatures {
  /** Whether it has everything that the batched, fenced, waiting way of speaking needs. */
  readonly extended: boolean;
  readonly methods: ReadonlySet<RouteName>;
  /** Whether it takes queue names that App Engine did not. */
  readonly anyQueueName: boolean;
  /** Longest wait of a lease, in milliseconds. */
  readonly waitMsMax: number;
  readonly batchItemsMax: number;
  /** Payload bytes that this client puts into one batch. */
  readonly batchPayloadBytesMax: number;
}

/** A server that offers nothing beyond v1beta2. */
export const PLAIN_SERVER: ServerFeatures = Object.freeze({
  extended: false,
  methods: new Set<RouteName>(),
  anyQueueName: false,
  waitMsMax: 0,
  batchItemsMax: 1,
  batchPayloadBytesMax: 0,
});

const NEEDED: readonly RouteName[] = [
  "tasks.batchInsert",
  "tasks.batchUpdate",
  "tasks.batchDelete",
  "taskqueues.lease",
  "taskqueues.cancelLease",
  "taskqueues.wait",
];

/** Answers of servers that have no such document. Others are failures, which say nothing about the server. */
const NO_DOCUMENT: readonly string[] = ["not_found", "not_supported"];

/** Failures after which asking again may help. */
const PASSING: readonly string[] = ["unavailable", "timeout", "resource_exhausted"];

/**
 * What the server offers, read from its discovery document on first use and kept until `forget`. Unknown, being read
 * (by one call for all who ask), or known; a failure leaves it unknown.
 */
export class Discovery {
  readonly #calls: HttpCalls;
  readonly #clock: Clock;
  #known: ServerFeatures | undefined;
  #reading: Promise<Outcome<ServerFeatures>> | undefined;

  constructor(calls: HttpCalls, clock: Clock) {
    this.#calls = calls;
    this.#clock = clock;
  }

  /** The features, if they are known. */
  get known(): ServerFeatures | undefined {
    return this.#known;
  }

  /** The features. Rejects with `unavailable` and the like when the document cannot be read within `patienceMs`. */
  async features(patienceMs: number, signal?: AbortSignal): Promise<ServerFeatures> {
    const untilUs = this.#clock.nowUs() + patienceMs * 1000;
    for (let attempt = 0; ; attempt++) {
      if (this.#known !== undefined) return this.#known;
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      const outcome = await abortable(this.#reading, signal);
      if (outcome.ok) return outcome.value;
      const leftMs = (untilUs - this.#clock.nowUs()) / 1000;
      const passing = PASSING.includes(outcome.error.code);
      if (!passing || !(await this.#calls.pauseBefore(attempt, outcome.error, leftMs, { signal }))) {
        throw outcome.error;
      }
    }
  }

  /** The server may have been replaced: it is asked again before the next call. */
  forget(): void {
    this.#known = undefined;
  }

  /** One attempt, because those who share it are not equally patient. */
  async #read(): Promise<Outcome<ServerFeatures>> {
    const outcome = await this.#calls.repeatedly(
      { read: featuresOf, repeat: "harmless", patienceMs: 0 },
      { method: "GET", path: `${DISCOVERY_PATH}?prettyPrint=false` },
    );
    if (!outcome.ok && !NO_DOCUMENT.includes(outcome.error.code)) return outcome;
    this.#known = outcome.ok ? outcome.value : PLAIN_SERVER;
    return { ok: true, value: this.#known, unclear: false };
  }
}

/** Reads the document. One without our marker is Google's own, or another server's. */
export function featuresOf(json: unknown): ServerFeatures {
  const document = readObject(json, "discovery document");
  if (document.kind !== "discovery#restDescription") {
    throw new QueueError("invalid_argument", "kind must be discovery#restDescription", { location: "kind" });
  }
  if (document["x-pullqueue"] === undefined) return PLAIN_SERVER;
  const marker = readObject(document["x-pullqueue"], "x-pullqueue");
  const methods = methodsOf(document);
  return {
    extended: marker.fences === true && NEEDED.every((name) => methods.has(name)),
    methods,
    anyQueueName: marker.anyQueueName === true,
    waitMsMax: bounded(marker, "leaseWaitMsMax", WAIT_MS_MAX),
    batchItemsMax: bounded(marker, "batchItemsMax", BATCH_ITEMS_MAX),
    batchPayloadBytesMax: bounded(marker, "batchPayloadBytesMax", CLIENT_BATCH_PAYLOAD_BYTES),
  };
}

function methodsOf(document: JsonObject): ReadonlySet<RouteName> {
  const resources = readObject(document.resources, "resources");
  const offered = Object.entries(resources).flatMap(([resource, description]) =>
    Object.keys(readObject(readObject(description, resource).methods, "methods")).map(
      (method) => `${resource}.${method}`,
    ),
  );
  return new Set((Object.keys(ROUTES) as RouteName[]).filter((name) => offered.includes(name)));
}

/** A number of the marker, at most what this client knows to be sensible, at least 1. */
function bounded(marker: JsonObject, field: string, max: number): number {
  return Math.max(1, Math.min(readInteger(marker, field) ?? max, max));
}
