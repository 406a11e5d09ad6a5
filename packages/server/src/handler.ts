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
import { AccessControl } from "./auth/access-control.js";
import type { Authentication } from "./auth/authenticate.js";
import { challengeOf } from "./auth/challenge.js";
import { BATCH_PATHS, serveBatch } from "./batch.js";
import { refuseNestedBatch } from "./batch-rules.js";
import { BodyMemory } from "./body-memory.js";
import { compressAnswer } from "./compression.js";
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
import { errorResponse, jsonResponse } from "./responses.js";
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

/** Makes the API's handler over a store. It needs no port: tests and other runtimes call it. */
export function createHandler(options: HandlerOptions): RequestHandler {
  const origins = options.corsOrigins ?? [];
  checkOrigins(origins, options.authentication);
  const app = createApp(options, (call, batch) => serve(call, { batch }));
  // Where callers prove who they are, a page has no more rights than what it knows.
  const guard = options.authentication === undefined ? pageGuard(options.publicUrl, origins) : undefined;
  const bodies = new BodyMemory();
  const serve = async (request: Request, within: { readonly batch?: string } = {}): Promise<Response> => {
    const share = bodies.share();
    const record: RequestRecord = { id: requestIdOf(request.headers), pretty: true, share, ...within };
    const startedMs = performance.now();
    const response = await answer(app, guard, request, record);
    share.release();
    response.headers.set(REQUEST_ID_HEADER, record.id);
    const elapsedMs = performance.now() - startedMs;
    options.metrics?.requests.answered(record, response.status, elapsedMs);
    if (options.log !== undefined) logRequest(options.log, request, response, record, elapsedMs);
    return response;
  };
  const serveCompressed = async (request: Request) => compressAnswer(request, await serve(request));
  return origins.length === 0 ? serveCompressed : withCors(origins, serveCompressed);
}

type App = Hono<{ Bindings: RequestRecord }>;

/** Nginx's word for a client that went away: only the log sees it. */
const CLIENT_CLOSED_REQUEST = 499;

/** Serves a call of a batch as it would be served by itself; `batch` is the id of the batch's own request. */
type ServeCall = (call: Request, batch: string) => Promise<Response>;

function createApp(options: HandlerOptions, serveCall: ServeCall): App {
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
  const app: App = new Hono();
  app.all(`${BASE_PATH}*`, (c) => serveApi(service, c.req.raw, c.env));
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
  app.notFound((c) => notFound(splitUrl(c.req.raw.url).pathname));
  // Hono's own handler would write to the console; `answer` is the door for errors.
  app.onError((error) => {
    throw error;
  });
  return app;
}

/** The door: whatever was thrown leaves as an envelope, and only as much of it as a client may see. */
async function answer(
  app: App,
  guard: ((request: Request) => void) | undefined,
  request: Request,
  record: RequestRecord,
): Promise<Response> {
  try {
    guard?.(request);
    if (!isAcceptedEncoding(request.headers)) return refuseEncoding(request.headers);
    return await app.fetch(request, record);
  } catch (thrown) {
    if (request.signal.aborted && thrown === request.signal.reason) {
      return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    }
    const error = QueueError.from(thrown);
    record.error = error;
    return errorResponse(error, {
      pretty: record.pretty,
      headers: guard === undefined ? challengeOf(error) : {},
    });
  }
}

async function serveBatchRequest(
  request: Request,
  record: RequestRecord,
  serveCall: ServeCall,
): Promise<Response> {
  const method = methodOf(request);
  if (method !== "POST") return methodNotAllowed(method, ["POST"]);
  if (record.batch !== undefined) refuseNestedBatch();
  record.route = "batch";
  return serveBatch(request, record.share, (call) => serveCall(call, record.id));
}

function serveDiscovery(request: Request, publicUrl: string | undefined): Response {
  const { pretty } = readAnswerForm(parseQuery(splitUrl(request.url).search), undefined);
  return jsonResponse(discoveryDocument(publicUrl ?? new URL(request.url).origin), pretty);
}

/** What only shows something, beside the API. */
function servePage(
  name: PageName,
  request: Request,
  record: RequestRecord,
  show: (request: Request) => Response | Promise<Response>,
): Response | Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") return methodNotAllowed(method, ["GET"]);
  record.route = name;
  return show(request);
}
