import { encodePayload, systemClock } from "@pullqueue/core";
import type { Prng } from "../prng.js";
import { NoAnswerError, type RestAnswer, type RestClient, type RestTask, tasksOf } from "../rest-client.js";
import { type HeldLease, type Ledger, payloadFor } from "./ledger.js";

/** More tasks than this and clients rather take away than add, so that restarts stay quick to check. */
const TASKS_MAX = 250;

/** Largest payload, in bytes: more than one page of the database, so that a write can be torn. */
const PAYLOAD_BYTES_MAX = 9000;

/** Most tasks of one batch or lease. */
const BATCH_MAX = 8;

/** Lengths of leases, in seconds: some end while the test runs, some outlive several crashes. */
const LEASE_SECS = [1, 2, 30];

/** What a client does otherwise than most. */
export interface CrashHabits {
  /** Lengths of leases, in seconds. Default `LEASE_SECS`. */
  readonly leaseSecs?: readonly number[];
  /** Now and then sends the dead letters of its queue back. */
  readonly redrives?: boolean;
}

/**
 * One client of the crash test: a loop of calls, each chosen by chance, until the server is gone. Its leases survive
 * a crash of the server, as those of a real client would.
 */
export class CrashClient {
  readonly #name: string;
  readonly #chance: Prng;
  readonly #ledger: Ledger;
  readonly #habits: CrashHabits;
  readonly #clock = systemClock();
  #held: HeldLease[] = [];
  #inserts = 0;

  constructor(name: string, chance: Prng, ledger: Ledger, habits: CrashHabits = {}) {
    this.#name = name;
    this.#chance = chance;
    this.#ledger = ledger;
    this.#habits = habits;
  }

  /** Works until a call gets no answer. `onAnswer` is told about each that does. */
  async run(rest: RestClient, onAnswer: () => void): Promise<void> {
    const taking = [this.#lease, this.#lease, this.#renew, this.#remove, this.#batchRemove];
    if (this.#habits.redrives === true) taking.push(this.#redrive);
    const adding = [this.#insert, this.#insert, this.#batchInsert];
    for (;;) {
      const operation = this.#chance.pick(this.#ledger.size < TASKS_MAX ? [...taking, ...adding] : taking);
      try {
        await operation.call(this, rest);
      } catch (error) {
        // The server is gone, which is what this test is about.
        if (error instanceof NoAnswerError) return;
        throw error;
      }
      onAnswer();
    }
  }

  async #insert(rest: RestClient): Promise<void> {
    const { key, resource } = this.#newTask();
    const { json } = expectOk(await rest.call("tasks.insert", { body: resource }));
    this.#ledger.inserted(key, (json as RestTask).id);
  }

  async #batchInsert(rest: RestClient): Promise<void> {
    const tasks = Array.from({ length: this.#chance.integer(1, BATCH_MAX) }, () => this.#newTask());
    const body = { items: tasks.map(({ resource }) => resource) };
    const items = itemsOf(await rest.call("tasks.batchInsert", { body }));
    for (const [index, { key }] of tasks.entries()) this.#ledger.inserted(key, items[index]!.task!.id);
  }

  async #lease(rest: RestClient): Promise<void> {
    const leaseSecs = this.#chance.pick(this.#habits.leaseSecs ?? LEASE_SECS);
    const query = { leaseSecs, numTasks: this.#chance.integer(1, BATCH_MAX) };
    const askedAt = this.#ledger.now();
    const answer = expectOk(await rest.call("tasks.lease", { query }));
    this.#held.push(...this.#ledger.leased(tasksOf(answer), leaseSecs * 1_000_000, askedAt));
  }

  /** Always to the longest length, so that a lost answer cannot have shortened the lease. */
  async #renew(rest: RestClient): Promise<void> {
    const query = { newLeaseSeconds: Math.max(...LEASE_SECS) };
    for (const lease of this.#takeHeld(1)) {
      const body = { id: lease.id, leaseTimestamp: String(lease.endUs) };
      const { status, json } = await rest.call("tasks.update", { task: lease.id, query, body });
      if (status !== 200) this.#refused(lease, json);
      else this.#held.push(this.#ledger.renewed(lease, Number((json as RestTask).leaseTimestamp)));
    }
  }

  async #remove(rest: RestClient): Promise<void> {
    for (const lease of this.#takeHeld(1)) {
      this.#ledger.deleting(lease.id);
      const query = { retryCount: lease.retryCount };
      const { status, json } = await rest.call("tasks.delete", { task: lease.id, query });
      if (status === 200) this.#ledger.deleted(lease.id);
      else this.#refused(lease, json);
    }
  }

  async #batchRemove(rest: RestClient): Promise<void> {
    const leases = this.#takeHeld(BATCH_MAX);
    if (leases.length === 0) return;
    for (const { id } of leases) this.#ledger.deleting(id);
    const body = { items: leases.map(({ id, retryCount }) => ({ id, retryCount })) };
    const items = itemsOf(await rest.call("tasks.batchDelete", { body }));
    for (const [index, lease] of leases.entries()) {
      const error = items[index]?.error;
      if (error === undefined) this.#ledger.deleted(lease.id);
      else this.#refused(lease, error);
    }
  }

  async #redrive(rest: RestClient): Promise<void> {
    expectOk(await rest.call("taskqueues.redrive"));
  }

  #newTask() {
    const key = `${this.#name}-${++this.#inserts}`;
    const noise = this.#chance.bytes(this.#chance.integer(0, PAYLOAD_BYTES_MAX));
    const payload = encodePayload(payloadFor(key, noise));
    this.#ledger.inserting(key, payload);
    return { key, resource: { payloadBase64: payload } };
  }

  /** Takes some of the leases that are still live; they are not held any more, whatever comes of it. */
  #takeHeld(most: number): HeldLease[] {
    const nowUs = this.#clock.nowUs();
    this.#held = this.#held.filter(({ endUs }) => endUs > nowUs);
    return this.#held.splice(0, this.#chance.integer(1, most));
  }

  #refused(lease: HeldLease, answer: unknown): void {
    this.#ledger.refused(lease, JSON.stringify(answer), this.#clock.nowUs());
  }
}

/** All tasks with their payloads, page by page, and each looked at once more by its id. */
export async function readAllTasks(rest: RestClient): Promise<RestTask[]> {
  const tasks: RestTask[] = [];
  let pageToken: string | undefined;
  do {
    const query = { maxResults: 100, ...(pageToken === undefined ? {} : { pageToken }) };
    const page = await rest.call("tasks.list", { query });
    // The queue comes into being with the first insert, of which there may have been none.
    if (page.status === 404) return [];
    for (const { id } of tasksOf(expectOk(page))) {
      tasks.push(expectOk(await rest.call("tasks.get", { task: id })).json as RestTask);
    }
    pageToken = (page.json as { readonly nextPageToken?: string }).nextPageToken;
  } while (pageToken !== undefined);
  return tasks;
}

function itemsOf(answer: RestAnswer): readonly { readonly task?: RestTask; readonly error?: unknown }[] {
  return (expectOk(answer).json as { readonly items: readonly { readonly task?: RestTask }[] }).items;
}

function expectOk(answer: RestAnswer): RestAnswer {
  if (answer.status === 200) return answer;
  throw new Error(`expected status 200, got ${answer.status}: ${JSON.stringify(answer.json)}`);
}
