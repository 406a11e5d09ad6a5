import type { QueueKey, QueueStats, Task } from "@pullqueue/core";
import type { Books } from "./books.js";
import { isHeld, type KnownTask, nameOfTask } from "./known-task.js";
import type { Store } from "./recorded-store.js";
import type { SimulatedTime } from "./time.js";

/** Tasks of one page. Small, so that pages are walked. */
const PAGE_TASKS = 20;

/**
 * Compares queues as a store shows them with what its answers have told so far: the same tasks, in order, and the counts of
 * them. Begin it when nothing else goes on; it ends in the same moment.
 */
export async function inspect(
  store: Store,
  queues: readonly QueueKey[],
  books: Books,
  time: SimulatedTime,
): Promise<void> {
  const nowUs = time.nowUs;
  const shown = await Promise.all(queues.map((queue) => listed(store, queue)));
  settleDoubts(books, shown.flat());
  for (const [index, queue] of queues.entries()) {
    const { stats } = await store.getQueue(queue, { stats: true });
    const known = books.tasksOf(queue);
    compareTasks(books, shown[index]!, known);
    compareStats(books, queue, stats!, known, nowUs);
  }
  if (time.nowUs !== nowUs) throw new Error("an inspection took time");
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

/** What a call that was never answered has done is seen now. */
function settleDoubts(books: Books, shown: readonly Task[]): void {
  const names = new Set(shown.map(({ queue, id }) => nameOfTask(queue, id)));
  for (const task of [...books.tasks.values()]) {
    if (!task.isDoubtful) continue;
    const { queue, id, deadLetter } = task;
    const origin = { ...queue, queue: deadLetter?.queue ?? "" };
    if (names.has(nameOfTask(queue, id))) task.isDoubtful = false;
    else if (names.has(nameOfTask(origin, id))) books.mustBeThere(origin, id, "was sent back");
    else books.remove(task, "purged");
  }
}

function compareTasks(books: Books, shown: readonly Task[], known: readonly KnownTask[]): void {
  const byId = new Map(shown.map((task) => [task.id, task]));
  for (const task of known) {
    const seen = byId.get(task.id);
    if (seen === undefined) books.complain(`${task.key} is not shown, and nobody removed it`);
    else if (
      seen.etaUs !== task.etaUs ||
      seen.retryCount !== task.retryCount ||
      seen.uncounted !== task.uncounted ||
      seen.tag !== task.tag
    ) {
      books.complain(`${task.key} is shown otherwise than it was answered`);
    }
  }
  for (const { queue, id } of shown) {
    if (!books.tasks.has(nameOfTask(queue, id)))
      books.complain(`a task is shown in ${queue.queue} that is not there`);
  }
  const inOrder = (a: Task, b: Task) => a.etaUs < b.etaUs || (a.etaUs === b.etaUs && a.id < b.id);
  if (shown.some((task, index) => index > 0 && !inOrder(shown[index - 1]!, task))) {
    books.complain("a list is not in order");
  }
}

function compareStats(
  books: Books,
  { queue }: QueueKey,
  stats: QueueStats,
  known: readonly KnownTask[],
  nowUs: number,
): void {
  const etas = known.map(({ etaUs }) => etaUs);
  const expected: Partial<QueueStats> = {
    totalTasks: known.length,
    availableTasks: etas.filter((etaUs) => etaUs <= nowUs).length,
    leasedTasks: known.filter((task) => isHeld(task, nowUs)).length,
    oldestEtaUs: etas.length === 0 ? undefined : Math.min(...etas),
    payloadBytes: known.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    // No world lasts an hour.
    leasedLastHour: books.grants.get(queue) ?? 0,
  };
  for (const [name, value] of Object.entries(expected)) {
    const shown = stats[name as keyof QueueStats];
    if (shown !== value) books.complain(`${queue} shows ${name} ${shown}, and it is ${value}`);
  }
}
