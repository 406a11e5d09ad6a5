import { setMaxListeners } from "node:events";
import {
  BASE_PATH,
  type Clock,
  DISCOVERY_PATH,
  type ProjectPrefix,
  type QueueAdmin,
  QueueError,
  type QueueStore,
  systemClock,
} from "@pullqueue/core";
import { Hono } from "hono";
import { methodNotAllowed, notFound, serveApi } from "./api.js";
import type { ApiRequest } from "./api-request.js";
import { AccessControl } from "./auth/access-control.js";
import type { Authentication } from "./auth/authenticate.js";
import { challengeOf } from "./auth/challenge.js";
import { BATCH_PATHS, serveBatch } from "./batch.js";
import { refuseNestedBatch } from "./batch-rules.js";
import { BodyMemory } from "./body-memory.js";
import { compressAnswer, compressPlain } from "./compression.js";
import { checkOrigins, withCors } from "./cors.js";
import { isAcceptedEncoding, refuseEncoding } from "./decompression.js";
import { discoveryDocument } from "./discovery.js";
import { checkReady, HEALTH_PATH, READY_PATH, reportHealth } from "./health.js";
import type { Log } from "./log.js";
import { logRequest } from "./log-request.js";
import type { Service } from "./method.js";
import { methodOf } from "./method-override.js";
import { METRICS_PATH, metricsPage } from "./metrics/metrics-page.js";
import type { ServerMetrics } from "./metrics/server-metrics.js";
import { pageGuard } from "./page-guard.js";
import { parseQuery, splitUrl } from "./query.js";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.js";
import type { PageName, RequestRecord } from "./request-record.js";
import { type Answer, errorAnswer, jsonAnswer, responseOf } from "./responses.js";
import { readAnswerForm } from "./standard-parameters.js";
import { Turns } from "./turns.js";
import { WaitingCalls } from "./waiting-calls.js";

/** What a handler needs. */
export interface HandlerOptions {
  readonly store: QueueStore & QueueAdmin;
  /** Shown before projects in answers. Default `s~`, as most of App Engine had it. */
  readonly prefix?: ProjectPrefix;
  /** Where clients reach this server: shown in the discovery document, and the one name with a dot that it answers by. Default: where the request went. */
  readonly publicUrl?: string | undefined;
  /** Web pages of these origins may call; `*` with authentication only. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Aborted when the server closes: waiting leases are answered with 503, so that they are repeated. Default: never. */
  readonly closing?: AbortSignal;
  /** Whether queues may be created, changed and deleted over HTTP. Default true; false with a queue.yaml. */
  readonly managesQueues?: boolean;
  /** How callers prove who they are. Default: nobody is asked, and everybody may do everything. */
  readonly authentication?: Authentication | undefined;
  /** Counts requests and serves `/metrics`. Default: neither. */
  readonly metrics?: ServerMetrics | undefined;
  /** Default: no log. */
  readonly log?: Log | undefined;
  /** For time limits. Default: the system's. */
  readonly clock?: Clock;
}

/** A server as a function. It never rejects; what goes wrong is an answer. */
export type RequestHandler = (request: Request) => Promise<Response>;

/** Answers a call of the API, and knows nothing of what else the server shows. */
type CallHandler = (request: ApiRequest) => Promise<Answer>;

/** The ways into a server. */
export interface Doors {
  /** For everything. */
  readonly handle: RequestHandler;
  /** For calls of the API that come as plain data. Absent where web pages are let in, whose requests need more. */
  readonly call?: CallHandler | undefined;
}

/** Makes the API's handler over a store. It needs no port: tests and other runtimes call it. */
export function createHandler(options: HandlerOptions): RequestHandler {
  return createDoors(options).handle;
}

/** Makes both ways into a server over a store; what they answer is the same. */
export function createDoors(options: HandlerOptions): Doors {
  const origins = options.corsOrigins ?? [];
  checkOrigins(origins, options.authentication);
  const service = createService(options);
  const app = createApp(options, service, (call, batch) => serveRequest(call, batch));
  // Where callers prove who they are, a page has no more rights than what it knows.
  const guard = options.authentication === undefined ? pageGuard(options.publicUrl, origins) : undefined;
  const bodies = new BodyMemory();
  // One function: each promise on the way of a small call costs about as much as what a room on that way does.
  const serve = async <R extends ApiRequest, A extends { readonly status: number }>(
    request: R,
    { find, form, batch }: Way<R, A>,
  ): Promise<A> => {
    const share = bodies.share();
    const record: RequestRecord = { id: requestIdOf(request.headers), pretty: true, share, batch };
    const startedMs = performance.now();
    let answer: A;
    try {
      guard?.(request);
      const refused = isAcceptedEncoding(request.headers) ? undefined : refuseEncoding(request.headers);
      answer = refused === undefined ? await find(request, record) : form.of(refused);
    } catch (thrown) {
      answer = form.of(refusalOf(thrown, request, record, guard === undefined));
    }
    share.release();
    form.identify(answer, record.id);
    const elapsedMs = performance.now() - startedMs;
    options.metrics?.requests.answered(record, answer.status, elapsedMs);
    if (options.log !== undefined) logRequest(options.log, request, answer.status, record, elapsedMs);
    return form.finish(answer, request);
  };
  const serveRequest = (request: Request, batch?: string) =>
    serve(request, { find: async (found, record) => app.fetch(found, record), form: FETCH, batch });
  const serveCompressed = async (request: Request) => compressAnswer(request, await serveRequest(request));
  if (origins.length > 0) return { handle: withCors(origins, serveCompressed) };
  const plain: Way<ApiRequest, Answer> = {
    find: (request, record) => serveApi(service, request, record),
    form: PLAIN,
  };
  return {
    handle: serveCompressed,
    call: (request) => serve(request, plain),
  };
}

/** What answers are made of. */
interface Form<A> {
  of(answer: Answer): A;
  /** Says whose answer it is. */
  identify(answer: A, id: string): void;
  /** The answer as it goes out. */
  finish(answer: A, request: ApiRequest): A | Promise<A>;
}

const FETCH: Form<Response> = {
  of: responseOf,
  identify: (response, id) => response.headers.set(REQUEST_ID_HEADER, id),
  // What is part of a batch goes out with it.
  finish: (response) => response,
};

const PLAIN: Form<Answer> = {
  of: (answer) => answer,
  identify: (answer, id) => {
    answer.headers[REQUEST_ID_HEADER] = id;
  },
  finish: (answer, request) => compressPlain(request, answer),
};

/** How a request is answered: by whom, and in which form. */
interface Way<R, A> {
  readonly find: (request: R, record: RequestRecord) => A | Promise<A>;
  readonly form: Form<A>;
  /** The id of the batch that it is a part of. */
  readonly batch?: string | undefined;
}

type App = Hono<{ Bindings: RequestRecord }>;

/** Nginx's word for a client that went away: only the log sees it. */
const CLIENT_CLOSED_REQUEST = 499;

/** Serves a call of a batch as it would be served by itself; `batch` is the id of the batch's own request. */
type ServeCall = (call: Request, batch: string) => Promise<Response>;

function createService(options: HandlerOptions): Service {
  const service: Service = {
    store: options.store,
    prefix: options.prefix ?? "s~",
    closing: options.closing ?? new AbortController().signal,
    waitingCalls: new WaitingCalls(),
    managesQueues: options.managesQueues ?? true,
    access: new AccessControl({
      authentication: options.authentication,
      store: options.store,
      clock: options.clock ?? systemClock(),
    }),
    turns: new Turns(),
  };
  // Each lease that waits listens; Node would suspect a leak at eleven.
  setMaxListeners(0, service.closing);
  return service;
}

function createApp(options: HandlerOptions, service: Service, serveCall: ServeCall): App {
  const app: App = new Hono();
  app.all(`${BASE_PATH}*`, async (c) => responseOf(await serveApi(service, c.req.raw, c.env)));
  for (const path of BATCH_PATHS) app.all(path, (c) => serveBatchRequest(c.req.raw, c.env, serveCall));
  const page = (path: string, name: PageName, show: (request: Request) => Response | Promise<Response>) =>
    app.all(path, (c) => servePage(name, c.req.raw, c.env, show));
  page(DISCOVERY_PATH, "discovery", (request) => serveDiscovery(request, options.publicUrl));
  page(HEALTH_PATH, "healthz", reportHealth);
  page(READY_PATH, "readyz", () => checkReady(service, options.clock));
  const { metrics } = options;
  if (metrics !== undefined) {
    page(METRICS_PATH, "metrics", async (request) => {
      await service.access.admitMonitor(request);
      return metricsPage(metrics);
    });
  }
  app.notFound((c) => responseOf(notFound(splitUrl(c.req.raw.url).pathname)));
  // Hono's own handler would write to the console; `refusalOf` is the door for errors.
  app.onError((error) => {
    throw error;
  });
  return app;
}

/** The door: whatever was thrown leaves as an envelope, and only as much of it as a client may see. */
function refusalOf(thrown: unknown, request: ApiRequest, record: RequestRecord, challenges: boolean): Answer {
  if (request.signal.aborted && thrown === request.signal.reason) {
    return { status: CLIENT_CLOSED_REQUEST, headers: {}, body: null };
  }
  const error = QueueError.from(thrown);
  record.error = error;
  const headers = challenges ? challengeOf(error) : {};
  return errorAnswer(error, { pretty: record.pretty, headers });
}

async function serveBatchRequest(
  request: Request,
  record: RequestRecord,
  serveCall: ServeCall,
): Promise<Response> {
  const method = methodOf(request);
  if (method !== "POST") return responseOf(methodNotAllowed(method, ["POST"]));
  if (record.batch !== undefined) refuseNestedBatch();
  record.route = "batch";
  return serveBatch(request, record.share, (call) => serveCall(call, record.id));
}

function serveDiscovery(request: Request, publicUrl: string | undefined): Response {
  const { pretty } = readAnswerForm(parseQuery(splitUrl(request.url).search), undefined);
  return responseOf(jsonAnswer(discoveryDocument(publicUrl ?? new URL(request.url).origin), pretty));
}

/** What only shows something, beside the API. */
function servePage(
  name: PageName,
  request: Request,
  record: RequestRecord,
  show: (request: Request) => Response | Promise<Response>,
): Response | Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") return responseOf(methodNotAllowed(method, ["GET"]));
  record.route = name;
  return show(request);
}
