import type { QueueKey, QueueStats, Task } from "@pullqueue/core";
import { isHeld, type KnownTask, nameOfTask } from "./known-task.js";
import type { Model } from "./model.js";
import type { Store } from "./recorded-store.js";
import type { SimulatedTime } from "./time.js";

/** Tasks of one page. Small, so that pages are walked. */
const PAGE_TASKS = 20;

/**
 * Compares a queue as a store shows it with what its answers have told so far: the same tasks, in order, and the counts of
 * them. Begin it when nothing else goes on; it ends in the same moment.
 */
export async function inspect(
  store: Store,
  queue: QueueKey,
  { model, time }: { readonly model: Model; readonly time: SimulatedTime },
): Promise<void> {
  const beganUs = time.nowUs;
  const shown = await listed(store, queue);
  const { stats } = await store.getQueue(queue, { stats: true });
  if (time.nowUs !== beganUs) throw new Error("an inspection took time");
  settleDoubts(model, queue, shown);
  const known = [...model.tasks.values()].filter((task) => task.queue.queue === queue.queue);
  compareTasks(model, shown, known);
  compareStats(model, queue, stats!, known, beganUs);
}

/** All tasks, page by page. */
async function listed(store: Store, queue: QueueKey): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  let pageToken: string | undefined;
  do {
    const page = await store.peek(queue, { limit: PAGE_TASKS, pageToken });
    tasks.push(...page.tasks);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return tasks;
}

function settleDoubts(model: Model, queue: QueueKey, shown: readonly Task[]): void {
  const ids = new Set(shown.map(({ id }) => id));
  for (const task of [...model.tasks.values()]) {
    if (!task.isDoubtful || task.queue.queue !== queue.queue) continue;
    model.settle(task, ids.has(task.id) ? "there" : "purged");
  }
}

function compareTasks(model: Model, shown: readonly Task[], known: readonly KnownTask[]): void {
  const byId = new Map(shown.map((task) => [task.id, task]));
  for (const task of known) {
    const seen = byId.get(task.id);
    if (seen === undefined) model.complain(`${task.key} is not shown, and nobody removed it`);
    else if (
      seen.etaUs !== task.etaUs ||
      seen.retryCount !== task.retryCount ||
      seen.uncounted !== task.uncounted ||
      seen.tag !== task.tag
    ) {
      model.complain(`${task.key} is shown otherwise than it was answered`);
    }
  }
  for (const { queue, id } of shown) {
    if (!model.tasks.has(nameOfTask(queue, id)))
      model.complain(`a task is shown in ${queue.queue} that is not there`);
  }
  const inOrder = (a: Task, b: Task) => a.etaUs < b.etaUs || (a.etaUs === b.etaUs && a.id < b.id);
  if (shown.some((task, index) => index > 0 && !inOrder(shown[index - 1]!, task))) {
    model.complain("a list is not in order");
  }
}

function compareStats(
  model: Model,
  { queue }: QueueKey,
  stats: QueueStats,
  known: readonly KnownTask[],
  nowUs: number,
): void {
  const etas = known.map(({ etaUs }) => etaUs);
  const expected: Partial<QueueStats> = {
    totalTasks: known.length,
    availableTasks: etas.filter((etaUs) => etaUs <= nowUs).length,
    oldestEtaUs: etas.length === 0 ? undefined : Math.min(...etas),
    // No world lasts an hour.
    leasedLastHour: model.grants.get(queue) ?? 0,
  };
  const inTurn = Object.entries({ ...expected, ...newerStats(stats, known, nowUs) });
  for (const [name, value] of inTurn) {
    const shown = stats[name as keyof QueueStats];
    if (shown !== value) model.complain(`${queue} shows ${name} ${shown}, and it is ${value}`);
  }
}

function newerStats(stats: QueueStats, known: readonly KnownTask[], nowUs: number): Record<string, number> {
  if (!("payloadBytes" in stats)) return {};
  return {
    payloadBytes: known.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    leasedTasks: known.filter((task) => isHeld(task, nowUs)).length,
  };
}
