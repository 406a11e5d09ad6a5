import type { ApiRequest } from "./api-request.js";
import type { Log } from "./log.js";
import { splitUrl } from "./query.js";
import type { RequestRecord } from "./request-record.js";
import { traceIdOf } from "./trace-headers.js";

/**
 * One line for each request: at `debug` when it succeeded, so that looking costs nothing on the way of a task; at
 * `info` when the caller was refused; at `error` with its cause when the server failed. The query is left out, because
 * tokens and keys may be in it.
 */
export function logRequest(
  log: Log,
  request: ApiRequest,
  status: number,
  record: RequestRecord,
  elapsedMs: number,
): void {
  const level = levelOf(status, record);
  if (!log.isLevelEnabled(level)) return;
  const traceId = traceIdOf(request);
  log[level](
    {
      request: record.id,
      ...(record.batch === undefined ? {} : { batch: record.batch }),
      ...(traceId === undefined ? {} : { traceId }),
      method: request.method,
      path: splitUrl(request.url).pathname,
      ...(record.queue === undefined ? {} : { project: record.queue.project }),
      // A path such as that of the list of queues names none.
      ...(record.queue?.queue ? { queue: record.queue.queue } : {}),
      ...(record.caller ? { caller: record.caller } : {}),
      status,
      ms: Math.round(elapsedMs * 10) / 10,
      ...(record.error === undefined ? {} : { code: record.error.code, reason: record.error.message }),
      ...(record.error?.cause === undefined ? {} : { err: record.error.cause }),
    },
    "request",
  );
}

function levelOf(status: number, { error }: RequestRecord): "debug" | "info" | "error" {
  if (error?.code === "internal") return "error";
  // A client that hangs up on a waiting lease (499) does nothing wrong.
  return status < 400 || status === 499 ? "debug" : "info";
}
