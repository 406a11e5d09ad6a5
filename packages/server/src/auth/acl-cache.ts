import { type Clock, ExpiringMap, isQueueError, type QueueAdmin, type QueueKey } from "@pullqueue/core";
import { ACL_CACHE_MS, ACL_CACHE_QUEUES_MAX } from "../limits.js";
import { type CompiledAcl, compileAcl, type QueueRights, rightsIn } from "./acl.js";

/**
 * The `acl` of queues, kept for `ACL_CACHE_MS`, so that the store is not asked once more for each call. What is changed by
 * another process is seen after that time; what is changed through this one, at once (`forget`).
 */
export class AclCache {
  readonly #store: QueueAdmin;
  readonly #clock: Clock;
  #acls = new ExpiringMap<Promise<CompiledAcl>>(ACL_CACHE_QUEUES_MAX);

  constructor(store: QueueAdmin, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The rights of an address on a queue. A queue without `acl`, and one that does not exist, gives none. */
  async rightsOf(email: string, queue: QueueKey): Promise<QueueRights> {
    return rightsIn(await this.#aclOf(queue), email);
  }

  /** Forgets everything: queues have been changed. Looks that are under way are not kept either. */
  forget(): void {
    this.#acls = new ExpiringMap(ACL_CACHE_QUEUES_MAX);
  }

  #aclOf(queue: QueueKey): Promise<CompiledAcl> {
    const acls = this.#acls;
    // A project has no slash, so that the first one parts the two.
    const key = `${queue.project}/${queue.queue}`;
    const nowUs = this.#clock.nowUs();
    const known = acls.get(key, nowUs);
    if (known !== undefined) return known;
    const looking = this.#look(queue);
    acls.set(key, looking, nowUs, ACL_CACHE_MS);
    looking.catch(() => acls.delete(key)); // Whoever awaits it sees the failure; the next call looks again.
    return looking;
  }

  async #look(queue: QueueKey): Promise<CompiledAcl> {
    try {
      return compileAcl((await this.#store.getQueue(queue)).settings.acl);
    } catch (error) {
      if (isQueueError(error, "not_found")) return compileAcl();
      throw error;
    }
  }
}
