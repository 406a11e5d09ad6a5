import { encodePayload, systemClock } from "@pullqueue/core";
import type { Prng } from "../prng.js";
import { NoAnswerError, type RestAnswer, type RestClient, type RestTask, tasksOf } from "../rest-client.js";
import { type HeldLease, type Ledger, payloadFor } from "./ledger.js";

/** One client of the crash test: a loop of calls, each chosen by chance, until the server is gone. */
export interface CrashClient {
  /** Works until a call gets no answer. `onAnswer` is told about each that does. */
  run(rest: RestClient, onAnswer: () => void): Promise<void>;
}

/** More tasks than this and clients rather take away than add, so that restarts stay quick to check. */
const TASKS_MAX = 250;

/** Largest payload, in bytes: more than one page of the database, so that a write can be torn. */
const PAYLOAD_BYTES_MAX = 9000;

/** Most tasks of one batch or lease. */
const BATCH_MAX = 8;

/** Lengths of leases, in seconds: some end while the test runs, some outlive several crashes. */
const LEASE_SECS = [1, 2, 30];

/** A client whose choices follow from the chance it is given, and whose leases survive a crash of the server. */
export function crashClient(name: string, chance: Prng, ledger: Ledger): CrashClient {
  const clock = systemClock();
  let held: HeldLease[] = [];
  let inserts = 0;

  /** Takes some of the leases that are still live; they are not held any more, whatever comes of it. */
  const takeHeld = (most: number): HeldLease[] => {
    const nowUs = clock.nowUs();
    held = held.filter(({ endUs }) => endUs > nowUs);
    return held.splice(0, chance.integer(1, most));
  };
  const newTask = () => {
    const key = `${name}-${++inserts}`;
    const payload = encodePayload(payloadFor(key, chance.bytes(chance.integer(0, PAYLOAD_BYTES_MAX))));
    ledger.inserting(key, payload);
    return { key, resource: { payloadBase64: payload } };
  };
  const refused = (lease: HeldLease, why: unknown) =>
    ledger.refused(lease, JSON.stringify(why), clock.nowUs());

  const operations = {
    async insert(rest: RestClient) {
      const { key, resource } = newTask();
      const { json } = expectOk(await rest.call("tasks.insert", { body: resource }));
      ledger.inserted(key, (json as RestTask).id);
    },
    async batchInsert(rest: RestClient) {
      const tasks = Array.from({ length: chance.integer(1, BATCH_MAX) }, newTask);
      const body = { items: tasks.map(({ resource }) => resource) };
      const items = itemsOf(await rest.call("tasks.batchInsert", { body }));
      for (const [index, { key }] of tasks.entries()) ledger.inserted(key, items[index]!.task!.id);
    },
    async lease(rest: RestClient) {
      const leaseSecs = chance.pick(LEASE_SECS);
      const query = { leaseSecs, numTasks: chance.integer(1, BATCH_MAX) };
      const askedAt = ledger.now();
      const answer = expectOk(await rest.call("tasks.lease", { query }));
      held.push(...ledger.leased(tasksOf(answer), leaseSecs * 1_000_000, askedAt));
    },
    async renew(rest: RestClient) {
      // Always longer than before, so that a lost answer cannot have shortened the lease.
      const query = { newLeaseSeconds: Math.max(...LEASE_SECS) };
      for (const lease of takeHeld(1)) {
        const body = { id: lease.id, leaseTimestamp: String(lease.endUs) };
        const { status, json } = await rest.call("tasks.update", { task: lease.id, query, body });
        if (status === 200) held.push(ledger.renewed(lease, Number((json as RestTask).leaseTimestamp)));
        else refused(lease, json);
      }
    },
    async remove(rest: RestClient) {
      for (const lease of takeHeld(1)) {
        ledger.deleting(lease.id);
        const query = { retryCount: lease.retryCount };
        const { status, json } = await rest.call("tasks.delete", { task: lease.id, query });
        if (status === 200) ledger.deleted(lease.id);
        else refused(lease, json);
      }
    },
    async batchRemove(rest: RestClient) {
      const leases = takeHeld(BATCH_MAX);
      if (leases.length === 0) return;
      for (const { id } of leases) ledger.deleting(id);
      const body = { items: leases.map(({ id, retryCount }) => ({ id, retryCount })) };
      const items = itemsOf(await rest.call("tasks.batchDelete", { body }));
      for (const [index, lease] of leases.entries()) {
        const error = items[index]?.error;
        if (error === undefined) ledger.deleted(lease.id);
        else refused(lease, error);
      }
    },
  };
  const { insert, batchInsert, lease, renew, remove, batchRemove } = operations;
  const taking = [lease, lease, renew, remove, batchRemove];
  const adding = [insert, insert, batchInsert];
  return {
    async run(rest, onAnswer) {
      for (;;) {
        const operation = chance.pick(ledger.size() < TASKS_MAX ? [...taking, ...adding] : taking);
        try {
          await operation(rest);
        } catch (error) {
          // The server is gone, which is what this test is about.
          if (error instanceof NoAnswerError) return;
          throw error;
        }
        onAnswer();
      }
    },
  };
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
