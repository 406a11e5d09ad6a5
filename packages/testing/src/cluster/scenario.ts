import { setMaxListeners } from "node:events";
import { openHttpStore, systemClock } from "@pullqueue/core";
import { Ledger } from "../crash/ledger.js";
import { type Prng, prng } from "../prng.js";
import { type Disturbance, type DisturbContext, disturb } from "./disturbances.js";
import { consumeUntil, type MessageClientContext, publishUntil } from "./message-client.js";
import { MessageLedger } from "./message-ledger.js";
import { Progress } from "./progress.js";
import { drainTasks, TaskClient, type TaskClientContext } from "./task-client.js";

/** Clients of each kind: twenty together, each with a connection of its own. */
const CLIENTS = { tasks: 12, publishers: 4, consumers: 4 };

/** How long a client waits for one answer, in milliseconds: servers that hang do so for longer. */
const ANSWER_MS = 3_000;

/** How long consumers may take for what is left at the end, in milliseconds: leases of those that were cut off end first. */
const DRAIN_MS = 30_000;

/** What came of a run. */
export interface ScenarioResult {
  /** What the servers did wrong. */
  readonly complaints: readonly string[];
  /** What went wrong around them, in order. */
  readonly disturbances: readonly string[];
  /** Calls that succeeded while it did. */
  readonly answers: number;
  /** Failures that clients were told of, and how often each. */
  readonly failures: ReadonlyMap<string, number>;
}

/** What a run is made of. */
export interface ScenarioOptions {
  /** Where the servers are. */
  readonly url: string;
  readonly seed: number;
  /** How many things go wrong. */
  readonly count: number;
  readonly disturbances: (context: DisturbContext) => readonly Disturbance[];
  /** Told what comes next, so that somebody knows where a run is that does not end. */
  readonly onStep: (name: string) => void;
}

/**
 * Twenty clients work while things go wrong; then all is drained. Rejects when a client fails for another reason than
 * that somebody was away: clients are never started anew.
 */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const { url, seed, count, onStep } = options;
  const progress = new Progress();
  const failures = new Map<string, number>();
  const onFailure = (error: unknown) => {
    const text = String(error);
    failures.set(text, (failures.get(text) ?? 0) + 1);
    progress.failed();
  };
  const shared = { progress, onFailure };
  const queue = { project: "cluster", queue: "tasks" };
  const tasks: TaskClientContext = { ...shared, queue, ledger: new Ledger() };
  const messages: MessageClientContext = { ...shared, url, queue: "messages", ledger: new MessageLedger() };
  const stop = new AbortController();
  const stopConsumers = new AbortController();
  // Each client hangs on them.
  setMaxListeners(CLIENTS.tasks + CLIENTS.publishers + CLIENTS.consumers, stop.signal, stopConsumers.signal);
  const working = Promise.all([
    ...times(CLIENTS.tasks, (index) =>
      workOnTasks(url, `client${index}`, prng(seed + index), tasks, stop.signal),
    ),
    ...times(CLIENTS.publishers, (index) => publishUntil(stop.signal, `publisher${index}`, messages)),
  ]);
  const consuming = Promise.all(
    times(CLIENTS.consumers, (index) => consumeUntil(stopConsumers.signal, prng(seed - 1 - index), messages)),
  );
  // One that fails ends the others: nothing that came after would mean anything.
  for (const part of [working, consuming]) part.catch(() => stop.abort());
  const chance = prng(seed);
  const context = { chance, progress, signal: stop.signal, onStep };
  const names = await disturb(options.disturbances(context), count, context);
  const { answers } = progress;
  onStep("clients stop");
  stop.abort();
  await working;
  onStep("the rest is drained");
  const left = await drainAll(url, tasks, messages);
  onStep("consumers stop");
  stopConsumers.abort();
  await consuming;
  tasks.ledger.compareLeases();
  const { size } = tasks.ledger;
  const missing = size === 0 ? [] : [`${size} tasks were acknowledged and never came`];
  const complaints = [...tasks.ledger.complaints, ...messages.ledger.complaints, ...missing, ...left];
  return { complaints, disturbances: names, answers, failures };
}

async function workOnTasks(
  url: string,
  name: string,
  chance: Prng,
  context: TaskClientContext,
  signal: AbortSignal,
): Promise<void> {
  await using store = openHttpStore({ endpoint: url, timeoutMs: ANSWER_MS });
  await new TaskClient(name, store, chance, context).run(signal);
}

/** Takes what is left of both kinds. Consumers go on consuming meanwhile. Resolves with the messages that never came, in words. */
async function drainAll(
  url: string,
  tasks: TaskClientContext,
  messages: MessageClientContext,
): Promise<readonly string[]> {
  await using store = openHttpStore({ endpoint: url });
  const { ledger } = messages;
  const late = AbortSignal.timeout(DRAIN_MS);
  const consumed = async () => {
    while (ledger.outstanding > 0 && !late.aborted) await messages.progress.more(1, late);
  };
  await Promise.all([drainTasks(store, tasks), consumed()]);
  if (ledger.outstanding === 0) return [];
  const { tasks: there } = await store.peek({ project: "cluster", queue: messages.queue }, { limit: 100 });
  const stored = there.map(
    ({ id, etaUs, retryCount }) => `in the queue: ${id}, eta ${etaUs}, lease ${retryCount}`,
  );
  return [...ledger.outstandingInWords, `now: ${systemClock().nowUs()}`, ...stored];
}

function times<T>(count: number, make: (index: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
