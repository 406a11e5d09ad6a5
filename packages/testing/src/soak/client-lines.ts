import type { SoakLedger } from "./soak-ledger.js";

/**
 * The lines by which a client of a soak tells what it does, written before the call and after its answer, so that what a
 * killed client was about to do is known. Keys name tasks: `producer:number`.
 */
export const LINES = {
  sending: (from: number, to: number) => `sending ${from} ${to}`,
  sent: (from: number, to: number) => `sent ${from} ${to}`,
  leased: (startUs: number, endUs: number, keys: readonly string[]) =>
    `leased ${startUs} ${endUs} ${keys.join(" ")}`,
  releasing: (keys: readonly string[]) => `releasing ${keys.join(" ")}`,
  deleting: (keys: readonly string[]) => `deleting ${keys.join(" ")}`,
  deleted: (keys: readonly string[]) => `deleted ${keys.join(" ")}`,
} as const;

/** A lease in a line: the task's key, a slash, its retry count. */
export function leaseName(key: string, retryCount: number): string {
  return `${key}/${retryCount}`;
}

/** Enters a line of the client into the ledger. Throws when it is no such line. */
export function enterLine(ledger: SoakLedger, client: string, line: string): void {
  const [verb = "", ...words] = line.split(" ");
  const enter = VERBS[verb];
  if (enter === undefined) {
    throw new Error(`expected a line of a soak client, got ${JSON.stringify(line.slice(0, 100))}`);
  }
  enter(ledger, words, client);
}

type Enter = (ledger: SoakLedger, words: readonly string[], client: string) => void;

const VERBS: Readonly<Record<string, Enter>> = {
  ready() {
    // Nothing has been done yet.
  },
  sending: (ledger, [from, to], client) => ledger.sending(client, Number(from), Number(to)),
  sent: (ledger, [from, to], client) => ledger.sent(client, Number(from), Number(to)),
  leased(ledger, [startUs, endUs, ...leases]) {
    const times = { startUs: Number(startUs), endUs: Number(endUs) };
    eachLease(leases, (key, retryCount) => ledger.leased({ key, retryCount, ...times }));
  },
  releasing: (ledger, words) => eachLease(words, (key, retryCount) => ledger.releasing(key, retryCount)),
  deleting: (ledger, words) => eachLease(words, (key) => ledger.deleting(key)),
  deleted: (ledger, words) => eachLease(words, (key, retryCount) => ledger.removed(key, retryCount)),
};

function eachLease(words: readonly string[], enter: (key: string, retryCount: number) => void): void {
  for (const word of words) {
    // A line about no task at all: every lease had run out.
    if (word === "") continue;
    const slash = word.indexOf("/");
    enter(word.slice(0, slash), Number(word.slice(slash + 1)));
  }
}
