import {
  checkAtLeast,
  checkBatch,
  checkBatchPayload,
  checkLeaseCount,
  checkNewTask,
  checkQueueKey,
  checkTaskId,
  show,
} from "./argument-rules.js";
import { complaintOf } from "./each-valid.js";
import { QueueError } from "./errors.js";
import type { Lifecycle } from "./lifecycle.js";
import { REFUSED_TASKS_NAMED } from "./limits.js";
import type { NaiveTransfer } from "./naive-store.js";
import type { QueueKey } from "./task.js";
import type { ExportedTask, QueueTransfer, TaskRecord, TombstoneRecord } from "./transfer.js";

/** Makes a whole `QueueTransfer` of a naive one, as `checkedStore` does of a store; both share one life. */
export function checkedTransfer(naive: NaiveTransfer, lifecycle: Lifecycle): QueueTransfer {
  return {
    exportTasks: (queue, options) =>
      lifecycle.run(options, async () => {
        checkQueueKey(queue);
        return naive.exportTasks(queue, checkedAfter(options?.afterId));
      }),
    exportTombstones: (queue, options) =>
      lifecycle.run(options, async () => {
        checkQueueKey(queue);
        return naive.exportTombstones(queue, checkedAfter(options?.afterId));
      }),
    importTasks: (queue, tasks, options) =>
      lifecycle.run(options, async () => {
        checkQueueKey(queue);
        checkBatch("tasks", tasks);
        checkBatchPayload(tasks);
        checkTaskRecords(queue, tasks);
        return importAll(naive, queue, tasks);
      }),
    removeTasks: (queue, tasks, options) =>
      lifecycle.run(options, async () => {
        checkQueueKey(queue);
        checkBatch("tasks", tasks);
        for (const task of tasks) checkUnchanged(task);
        return naive.removeTasks(queue, tasks);
      }),
    withdrawTasks: (queue, ids, options) =>
      lifecycle.run(options, async () => {
        checkQueueKey(queue);
        checkBatch("ids", ids);
        for (const id of ids) checkTaskId(id);
        await naive.withdrawTasks(queue, ids);
      }),
    importTombstones: (queue, tombstones, options) =>
      lifecycle.run(options, async () => {
        checkQueueKey(queue);
        checkBatch("tombstones", tombstones);
        for (const tombstone of tombstones) checkTombstone(tombstone);
        await naive.importTombstones(queue, tombstones);
      }),
  };
}

/**
 * A task whose id another one has here gets the next id that is free, or that holds it since an earlier import: always
 * the same, so that importing it again adds nothing.
 */
async function importAll(naive: NaiveTransfer, queue: QueueKey, tasks: readonly TaskRecord[]) {
  let { added, present, clashes } = await naive.importTasks(queue, tasks);
  while (clashes.length > 0) {
    const renamed = clashes.map((task) => ({ ...task, id: nextId(task.id) }));
    const again = await naive.importTasks(queue, renamed);
    added += again.added;
    present += again.present - clashes.length;
    clashes = again.clashes;
  }
  return { added, present };
}

/** The id that a store would make next; a store's ids are 16 hexadecimal digits. */
function nextId(id: string): string {
  return BigInt.asUintN(64, BigInt(`0x${id}`) + 1n)
    .toString(16)
    .padStart(16, "0");
}

/** The start of a page; "" is before every id. */
function checkedAfter(afterId: string | undefined): string {
  if (afterId === undefined || afterId === "") return "";
  checkTaskId(afterId);
  return afterId;
}

/**
 * Refuses all tasks where some break a rule, which can be older than they are. It names them, and not only their mistake:
 * whoever moves a queue has to find them in it.
 */
function checkTaskRecords(queue: QueueKey, tasks: readonly TaskRecord[]): void {
  const refused = tasks.flatMap((task) => {
    const error = complaintOf(task, checkTaskRecord);
    return error === undefined ? [] : [{ name: show(task.id), error }];
  });
  const [first, ...others] = refused;
  if (first === undefined) return;
  const names = others.slice(0, REFUSED_TASKS_NAMED).map(({ name }) => name);
  const left = others.length - names.length;
  const more = left > 0 ? `, and ${left} more` : "";
  const also = names.length === 0 ? "" : `; refused are also ${names.join(", ")}${more}`;
  throw new QueueError(
    "invalid_argument",
    `the task ${first.name} of the queue ${show(queue.queue)} in the project ${show(queue.project)} cannot be imported: ${first.error.message}${also}`,
    { location: first.error.location ?? "task" },
  );
}

function checkTaskRecord(task: TaskRecord): void {
  const { payload, tag, traceparent, tracestate } = task;
  checkNewTask({ payload, tag, traceparent, tracestate }, undefined);
  checkTaskId(task.id);
  checkAtLeast("enqueuedAt", task.enqueuedAtUs, 0);
  checkAtLeast("eta", task.etaUs, 0);
  checkLeaseCount("retryCount", task.retryCount);
  checkLeaseCount("uncounted", task.uncounted);
  checkAtLeast("expiresAt", task.expiresAtUs, 0);
  const { deadLetter } = task;
  if (deadLetter === undefined) return;
  checkQueueKey({ project: task.queue.project, queue: deadLetter.queue });
  checkTaskId(deadLetter.id);
  checkLeaseCount("deadLetter.retryCount", deadLetter.retryCount);
  checkAtLeast("deadLetter.at", deadLetter.atUs, 0);
}

/** By what a task is known to be as it was; any count and time will do, because a wrong one only means that it is not. */
function checkUnchanged({ id, retryCount, etaUs }: ExportedTask): void {
  checkTaskId(id);
  checkAtLeast("retryCount", retryCount, 0);
  checkAtLeast("eta", etaUs, 0);
}

function checkTombstone({ id, untilUs }: TombstoneRecord): void {
  checkTaskId(id);
  checkAtLeast("until", untilUs, 0);
}
