import { abortable, type Clock, type QueueAdmin, type QueueKey } from "@pullqueue/core";
import type { ApiRequest } from "../api-request.js";
import { parseQuery, type Query, splitUrl } from "../query.js";
import type { QueueRights } from "./acl.js";
import { AclCache } from "./acl-cache.js";
import { type Authentication, authenticate } from "./authenticate.js";
import { type Access, checkCaller, checkMonitor, notInAcl } from "./authorize.js";
import type { Principal } from "./principal.js";
import { FULL_SCOPE } from "./scopes.js";

/** Whoever reaches a server that does not ask who is calling. */
const EVERYONE: Principal = Object.freeze({
  email: "",
  scopes: [FULL_SCOPE],
  role: "admin",
  projects: "all",
});

/** The one place where calls are let in or refused. */
export class AccessControl {
  readonly #authentication: Authentication | undefined;
  readonly #acls: AclCache;

  /** Without `authentication` nobody is asked and everybody may do everything. */
  constructor(options: {
    readonly authentication: Authentication | undefined;
    readonly store: QueueAdmin;
    readonly clock: Clock;
  }) {
    this.#authentication = options.authentication;
    this.#acls = new AclCache(options.store, options.clock);
  }

  /** Who sent a request. Rejects with `unauthenticated`. */
  identify(request: ApiRequest, query: Query): Principal | Promise<Principal> {
    if (this.#authentication === undefined) return EVERYONE;
    return authenticate(this.#authentication, request, query);
  }

  /** Throws or rejects with `permission_denied` unless the caller may make a call of this kind on each of the queues. */
  admit(
    caller: Principal,
    access: Access,
    queues: readonly QueueKey[],
    request: ApiRequest,
  ): Promise<void> | undefined {
    for (const { project } of queues) checkCaller(caller, access, project);
    if (caller.role === "admin" || access === "any" || access === "manage") return undefined;
    return this.#admitByAcl(caller, access, queues, request.signal);
  }

  /** For pages about the whole server, such as `/metrics`: rejects with `unauthenticated` or `permission_denied` unless the sender has the role monitor or admin. */
  async admitMonitor(request: ApiRequest): Promise<void> {
    checkMonitor(await this.identify(request, parseQuery(splitUrl(request.url).search)));
  }

  /** To be called when queues were changed: what is known of their `acl` is forgotten. */
  queuesChanged(): void {
    this.#acls.forget();
  }

  async #admitByAcl(
    caller: Principal,
    access: keyof QueueRights,
    queues: readonly QueueKey[],
    signal: AbortSignal,
  ): Promise<void> {
    const looking = Promise.all(queues.map((queue) => this.#acls.rightsOf(caller.email, queue)));
    for (const [index, rights] of (await abortable(looking, signal)).entries()) {
      if (!rights[access]) throw notInAcl(caller, queues[index]!, access);
    }
  }
}
