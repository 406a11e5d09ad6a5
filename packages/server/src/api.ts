import { DISCOVERY_PATH, matchRoute, parseProject, QueueError, type RouteMatch } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";
import { checkCaller } from "./auth/authorize.js";
import { checkBatchedParameters } from "./batch-rules.js";
import { announcesBody, parseBody, readBody } from "./body.js";
import type { BodyShare } from "./body-memory.js";
import { applyFields } from "./fields.js";
import { IGNORED_BODY_BYTES_MAX } from "./limits.js";
import { type Call, isWritten, type Method, Refusal, type Service } from "./method.js";
import { isTunnelledForm, methodOf, tunnelledSearch } from "./method-override.js";
import { METHODS } from "./methods.js";
import { type ParameterTable, readParameters } from "./parameters.js";
import { parseQuery, splitUrl } from "./query.js";
import type { RequestRecord } from "./request-record.js";
import { type Answer, emptyAnswer, errorAnswer, jsonAnswer, textAnswer } from "./responses.js";
import { type AnswerForm, readAnswerForm } from "./standard-parameters.js";

/** One call of the API: match, let in, prove, read, run, answer. Everything is proved before anything is done. */

type MatchedRoute = Extract<RouteMatch, { kind: "route" }>;

/** Answers a request below the API's base path. Throws or rejects with what the store or a check threw. */
export function serveApi(
  service: Service,
  request: ApiRequest,
  record: RequestRecord,
): Answer | Promise<Answer> {
  const { pathname, search } = splitUrl(request.url);
  const method = methodOf(request);
  const match = matchRoute(method, pathname);
  if (match.kind === "not_found") return notFound(pathname);
  if (match.kind === "method_not_allowed") return methodNotAllowed(method, match.allow);
  record.route = match.name;
  return serveRoute(service, request, record, match, search);
}

async function serveRoute(
  service: Service,
  request: ApiRequest,
  record: RequestRecord,
  { name, parameters: path }: MatchedRoute,
  search: string,
): Promise<Answer> {
  const method = METHODS[name];
  const queue = { project: parseProject(path.project), queue: path.taskqueue ?? "" };
  record.queue = queue;
  const query = parseQuery(
    isTunnelledForm(request) ? await tunnelledSearch(request, search, record.share) : search,
  );
  const known = service.access.identify(request, query);
  const caller = known instanceof Promise ? await known : known;
  record.caller = caller.email;
  checkCaller(caller, method.access, queue.project);
  const form = readAnswerForm(query, method.response);
  record.pretty = form.pretty;
  const parameters = readParameters(method.parameters, query);
  if (record.batch !== undefined) checkBatchedParameters(parameters);
  const queues = method.queues?.(queue, parameters) ?? [queue];
  const admitting = service.access.admit(caller, method.access, queues, request);
  if (admitting !== undefined) await admitting;
  record.waits = Number(parameters.waitMs ?? 0) > 0;
  const reading = bodyFor(method, request, record.share);
  const body = reading instanceof Promise ? await reading : reading;
  const task = path.task ?? "";
  const call = { service, caller, queue, task, parameters, body, request };
  const result = await (method.access === "manage" ? manage(method, call) : method.run(call));
  return answerOf(result, form, record);
}

async function manage(method: Method, call: Call<ParameterTable>): ReturnType<Method["run"]> {
  try {
    return await method.run(call);
  } finally {
    call.service.access.queuesChanged();
  }
}

function answerOf(result: object | undefined, { pretty, mask }: AnswerForm, record: RequestRecord): Answer {
  if (result === undefined) return emptyAnswer();
  if (result instanceof Refusal) {
    record.error = result.error;
    return errorAnswer(result.error, { override: result.override, pretty });
  }
  const isItself = isWritten(result);
  if (mask === true) {
    if (!isItself) return jsonAnswer(result, pretty);
    return textAnswer(result.write(pretty), pretty, result.isAscii());
  }
  return jsonAnswer(applyFields(mask, isItself ? result.toJSON() : result) as object, pretty);
}

type Body = Call<ParameterTable>["body"];

function bodyFor({ request: accepts }: Method, request: ApiRequest, share: BodyShare): Body | Promise<Body> {
  if (accepts !== undefined) return readBody(request, accepts.bytesMax, share).then(parseBody);
  if (!announcesBody(request) || isTunnelledForm(request)) return {};
  return readBody(request, IGNORED_BODY_BYTES_MAX, share).then(() => ({}));
}

/** 404 for a path that means nothing here. */
export function notFound(pathname: string): Answer {
  const shown = pathname.length > 200 ? `${pathname.slice(0, 200)}…` : pathname;
  return errorAnswer(
    new QueueError("not_found", `there is nothing at ${shown}; ${DISCOVERY_PATH} describes what there is`),
  );
}

/** 405 with the methods that the path has. */
export function methodNotAllowed(method: string, allow: readonly string[]): Answer {
  const allowed = allow.includes("GET") ? [...allow, "HEAD"] : allow;
  return errorAnswer(
    new QueueError("not_supported", `this path allows ${allowed.join(", ")}, got ${method.slice(0, 20)}`),
    {
      override: { httpStatus: 405, reason: "httpMethodNotAllowed" },
      headers: { allow: allowed.join(", ") },
    },
  );
}
