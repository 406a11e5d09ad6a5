import type { QueueAcl, QueueInfo } from "@pullqueue/core";
import { comparableEmail, type Principal } from "./principal.js";

/** What the `acl` of a queue allows to one address. */
export interface QueueRights {
  /** In `user_email`: may look at the queue, lease, renew and delete. */
  readonly consume: boolean;
  /** In `writer_email`: may insert. */
  readonly produce: boolean;
}

/** An `acl` that is looked up and not searched. */
export interface CompiledAcl {
  readonly users: ReadonlySet<string>;
  readonly writers: ReadonlySet<string>;
}

/** Makes an `acl` ready for look-ups. Without one nobody has rights, as on App Engine; administrators need none. */
export function compileAcl({ userEmails, writerEmails }: QueueAcl = NOBODY): CompiledAcl {
  return {
    users: new Set(userEmails.map(comparableEmail)),
    writers: new Set(writerEmails.map(comparableEmail)),
  };
}

const NOBODY: QueueAcl = { userEmails: [], writerEmails: [] };

/** The rights that an `acl` gives to an address. */
export function rightsIn({ users, writers }: CompiledAcl, email: string): QueueRights {
  const comparable = comparableEmail(email);
  return { consume: users.has(comparable), produce: writers.has(comparable) };
}

/**
 * A queue as a caller may see it, or undefined when it may not even know of it. Who else has rights is for administrators
 * alone, and counts are, as with `taskqueues.get`, for those who take from the queue.
 */
export function visibleQueue(caller: Principal, info: QueueInfo): QueueInfo | undefined {
  if (caller.role === "admin") return info;
  const rights = rightsIn(compileAcl(info.settings.acl), caller.email);
  if (!rights.consume && !rights.produce) return undefined;
  const { stats, ...rest } = info;
  const shown: QueueInfo = { ...rest, settings: { ...info.settings, acl: undefined } };
  return rights.consume && stats !== undefined ? { ...shown, stats } : shown;
}
