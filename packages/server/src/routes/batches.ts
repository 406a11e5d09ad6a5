import {
  extensionFromWire,
  fenceFromWire,
  type ItemResult,
  itemResultToWire,
  type JsonObject,
  limits,
  newTaskFromWire,
  QueueError,
  readObject,
  type Task,
} from "@pullqueue/core";
import { BATCH_FENCES_BODY_BYTES_MAX, BATCH_INSERT_BODY_BYTES_MAX } from "../limits.js";
import { defineMethod, type Service } from "../method.js";
import { traceContextOf } from "../trace-headers.js";

/** Many tasks in one call, with an outcome for each. */

/** POST …/tasks:batchInsert */
export const batchInsert = defineMethod({
  description: "Addition. Inserts up to 1000 tasks, each by itself.",
  access: "produce",
  parameters: {},
  request: { schema: "TaskBatch", bytesMax: BATCH_INSERT_BODY_BYTES_MAX },
  response: "BatchResult",
  run: ({ service, queue, body, request }) => {
    const context = traceContextOf(request);
    return runBatch(
      service,
      body,
      (item) => newTaskFromWire(item, queue, context),
      (tasks) => service.store.insert(queue, tasks),
    );
  },
});

/** POST …/tasks:batchUpdate */
export const batchUpdate = defineMethod({
  description: "Addition. Moves the ends of up to 1000 leases, each by itself.",
  access: "consume",
  parameters: {},
  request: { schema: "TaskRenewals", bytesMax: BATCH_FENCES_BODY_BYTES_MAX },
  response: "BatchResult",
  run: ({ service, queue, body }) =>
    runBatch(service, body, extensionFromWire, (leases) => service.store.extend(queue, leases)),
});

/** POST …/tasks:batchDelete */
export const batchDelete = defineMethod({
  description: "Addition. Deletes up to 1000 tasks, each by itself, fenced where an item names a lease.",
  access: "consume",
  parameters: {},
  request: { schema: "TaskFences", bytesMax: BATCH_FENCES_BODY_BYTES_MAX },
  response: "BatchResult",
  run: ({ service, queue, body }) =>
    runBatch(
      service,
      body,
      (item) => fenceFromWire(readObject(item, "item")),
      (fences) => service.store.delete(queue, fences),
    ),
});

async function runBatch<T>(
  service: Service,
  body: JsonObject,
  readItem: (json: unknown) => T,
  act: (items: readonly T[]) => Promise<readonly ItemResult<Task | undefined>[]>,
): Promise<object> {
  const read = itemsOf(body).map((json) => readOrRefuse(json, readItem));
  const good = read.flatMap((item) => (item.ok ? [item.value] : []));
  const outcomes = good.length === 0 ? [] : await act(good);
  let next = 0;
  const items = read.map((item) => itemResultToWire(item.ok ? outcomes[next++]! : item, service.prefix));
  return { kind: "taskqueues#batchResult", items };
}

function itemsOf({ items }: JsonObject): readonly unknown[] {
  if (items === undefined || items === null) {
    throw new QueueError("invalid_argument", "items must be specified", {
      location: "items",
      reason: "required",
    });
  }
  if (!Array.isArray(items)) {
    throw new QueueError("invalid_argument", `items must be an array, got ${typeof items}`, {
      location: "items",
    });
  }
  if (items.length > limits.BATCH_ITEMS_MAX) {
    throw new QueueError(
      "invalid_argument",
      `items must have at most ${limits.BATCH_ITEMS_MAX} elements, got ${items.length}; send several batches`,
      { location: "items" },
    );
  }
  return items;
}

/** A malformed item fails alone, as one that the store refuses does. */
function readOrRefuse<T>(json: unknown, readItem: (json: unknown) => T): ItemResult<T> {
  try {
    return { ok: true, value: readItem(json) };
  } catch (error) {
    return { ok: false, error: QueueError.from(error) };
  }
}
