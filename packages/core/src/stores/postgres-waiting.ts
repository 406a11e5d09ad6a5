import { newIdempotencyKey } from "../ids.js";
import { POSTGRES_AWAIT_MS, POSTGRES_POLL_MS } from "../limits.js";
import type { QueueKey } from "../task.js";
import { Lane } from "./lane.js";
import type { DatabaseClock } from "./postgres-clock.js";
import type { PostgresConnections, Statement } from "./postgres-connections.js";
import { PostgresListener } from "./postgres-listener.js";
import { columnsOf, nameOfQueue } from "./postgres-rows.js";

/** A queue that this process waits for, or did until lately. */
interface Awaited {
  readonly key: QueueKey;
  /** The table of waiters says so until then. */
  untilUs: number;
  /** When a waiter last asked for its next task. */
  askedUs: number;
}

interface Question {
  readonly key: QueueKey;
  readonly afterUs: number;
}

interface EtaRow {
  readonly project: string;
  readonly name: string;
  readonly eta_us: number | null;
  readonly now_us: number;
}

/** Most questions in one statement. */
const ITEMS_MAX = 1000;

/**
 * Waiting across processes. Who waits says so in a table before it looks a last time; who has made tasks available asks
 * that table after its commit, and only tells on the channel when another process is in it. One of the two sees the other,
 * so nothing is missed and nothing is locked. Behind it stands a look every second, for tasks whose holder has died and
 * for what a broken connection did not hear.
 */
export class PostgresWaiting {
  readonly #connections: PostgresConnections;
  readonly #clock: DatabaseClock;
  readonly #process = newIdempotencyKey();
  readonly #listener: PostgresListener;
  readonly #questions: Lane<Question, number | undefined>;
  readonly #awaited = new Map<string, Awaited>();
  #notify: ((queue?: QueueKey) => void) | undefined;
  #cancelPoll = () => {};
  #polling: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(connections: PostgresConnections, clock: DatabaseClock) {
    this.#connections = connections;
    this.#clock = clock;
    this.#listener = new PostgresListener(connections, clock, (payload) => this.#heard(payload));
    this.#questions = new Lane({
      parallel: 1,
      itemsMax: ITEMS_MAX,
      itemsOf: () => 1,
      run: (questions) => this.#answer(questions),
    });
  }

  /** As `NaiveStore.nextEtaUs`. Says first that this process waits for the queue. */
  async nextEtaUs(key: QueueKey, afterUs: number): Promise<number | undefined> {
    if (this.#closed) return undefined;
    try {
      return await this.#questions.submit({ key, afterUs });
    } catch {
      // "Soon" makes somebody look, and the look meets the error where it can be reported.
      return afterUs + 1;
    }
  }

  /** As `NaiveStore.watchForeignWrites`. */
  watch(notify: (queue?: QueueKey) => void): () => void {
    this.#notify = notify;
    void this.#listener.start();
    this.#schedulePoll();
    return () => {
      this.#notify = undefined;
      this.#cancelPoll();
      this.#listener.stop();
    };
  }

  /** What tells of queues that have tasks now. It is sent behind the commit: who has not said by then that it waits looks after it. */
  telling(keys: readonly QueueKey[]): Statement | undefined {
    if (keys.length === 0) return undefined;
    const columns = columnsOf(
      keys,
      ({ project }) => project,
      ({ queue }) => queue,
    );
    return { name: "tellWaiting", values: [this.#connections.schema, this.#process, ...columns] };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelPoll();
    await this.#polling;
    await this.#listener.close();
    if (this.#awaited.size === 0) return;
    try {
      await this.#connections.read("stopAwaiting", [this.#process]);
    } catch {
      // It is forgotten anyway when its time is over.
    }
  }

  async #answer(questions: readonly Question[]) {
    // What is told before somebody listens would be lost.
    await this.#listener.start();
    await this.#sayWaiting(questions.map(({ key }) => key));
    const etas = await this.#nextEtas(questions);
    return questions.map(({ key, afterUs }) => ({
      value: etas.get(`${nameOfQueue(key)} ${afterUs}`) ?? undefined,
    }));
  }

  /** Puts into the table of waiters what is not there, or not for long. */
  async #sayWaiting(keys: readonly QueueKey[]): Promise<void> {
    const nowUs = this.#clock.nowUs();
    for (const key of keys) {
      const awaited = this.#awaited.get(nameOfQueue(key)) ?? { key, untilUs: 0, askedUs: nowUs };
      awaited.askedUs = nowUs;
      this.#awaited.set(nameOfQueue(key), awaited);
    }
    await this.#refresh(keys.map((key) => this.#awaited.get(nameOfQueue(key))!));
  }

  async #refresh(awaited: readonly Awaited[]): Promise<void> {
    const nowUs = this.#clock.nowUs();
    const due = [...new Set(awaited)].filter(
      ({ untilUs }) => untilUs - nowUs < (POSTGRES_AWAIT_MS * 1000 * 2) / 3,
    );
    if (due.length === 0) return;
    const keys = due.map(({ key }) => key).sort((a, b) => (nameOfQueue(a) < nameOfQueue(b) ? -1 : 1));
    const columns = columnsOf(
      keys,
      ({ project }) => project,
      ({ queue }) => queue,
    );
    await this.#connections.read("awaitTasks", [this.#process, POSTGRES_AWAIT_MS * 1000, ...columns]);
    for (const one of due) one.untilUs = nowUs + POSTGRES_AWAIT_MS * 1000;
  }

  /** By queue and time. */
  async #nextEtas(questions: readonly Question[]): Promise<ReadonlyMap<string, number | null>> {
    const columns = columnsOf(
      questions,
      ({ key }) => key.project,
      ({ key }) => key.queue,
      ({ afterUs }) => afterUs,
    );
    const rows = await this.#connections.read<EtaRow & { readonly after_us: number }>("nextEtas", columns);
    const nowUs = rows[0]?.now_us;
    if (nowUs !== undefined) this.#clock.observe(nowUs);
    return new Map(
      rows.map(({ project, name, after_us, eta_us }) => [`${project}/${name} ${after_us}`, eta_us]),
    );
  }

  #heard(payload: string | undefined): void {
    const slash = payload?.indexOf("/") ?? -1;
    if (payload === undefined) this.#notify?.();
    else this.#notify?.({ project: payload.slice(0, slash), queue: payload.slice(slash + 1) });
  }

  #schedulePoll(): void {
    this.#cancelPoll();
    this.#cancelPoll = this.#clock.timer(POSTGRES_POLL_MS, () => {
      this.#polling = this.#poll();
    });
  }

  async #poll(): Promise<void> {
    try {
      this.#forget();
      const awaited = [...this.#awaited.values()];
      await this.#refresh(awaited);
      await this.#lookAt(awaited.map(({ key }) => ({ key, afterUs: -1 })));
    } catch {
      // The next look meets the same database in better health.
    }
    if (this.#notify !== undefined && !this.#closed) this.#schedulePoll();
  }

  async #lookAt(questions: readonly Question[]): Promise<void> {
    for (let from = 0; from < questions.length; from += ITEMS_MAX) {
      const some = questions.slice(from, from + ITEMS_MAX);
      const etas = await this.#nextEtas(some);
      const nowUs = this.#clock.nowUs();
      for (const { key, afterUs } of some) {
        const etaUs = etas.get(`${nameOfQueue(key)} ${afterUs}`) ?? undefined;
        if (etaUs !== undefined && etaUs <= nowUs) this.#notify?.(key);
      }
    }
  }

  /** Queues that nobody asked for lately are mentioned to whoever may wait for them; who still does asks again. */
  #forget(): void {
    const beforeUs = this.#clock.nowUs() - POSTGRES_AWAIT_MS * 1000;
    for (const [name, { key, askedUs }] of [...this.#awaited]) {
      if (askedUs >= beforeUs) continue;
      this.#awaited.delete(name);
      this.#notify?.(key);
    }
  }
}
