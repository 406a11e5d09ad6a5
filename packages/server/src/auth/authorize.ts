import { QueueError, type QueueKey } from "@pullqueue/core";
import type { Principal } from "./principal.js";
import { CONSUMER_SCOPE, FULL_SCOPE, reachOf } from "./scopes.js";

/** Who may do what, as far as it can be told without looking at a queue. The `acl` of queues is in acl-cache.ts. */

/**
 * What a method needs: `consume` the caller in the queue's `user_email`, `produce` in its `writer_email`, `manage` an
 * administrator and the full scope, `any` a caller of the project (what it sees is filtered).
 */
export type Access = "consume" | "produce" | "manage" | "any";

/**
 * Throws `permission_denied` unless the caller's role, scopes and projects allow calls of this kind in the project. What
 * is left for `consume` and `produce` of a caller that is no administrator is the queue's `acl`.
 */
export function checkCaller(caller: Principal, access: Access, project: string): void {
  if (caller.role === "monitor") throw notAllowed("the role monitor reads /metrics and nothing else");
  checkScope(caller, access);
  if (caller.projects !== "all" && !caller.projects.includes(project)) {
    throw notAllowed(`the token is not for the project ${JSON.stringify(project)}`);
  }
  if (access === "manage" && caller.role !== "admin") {
    throw notAllowed("managing queues needs the role admin; ask the operator of this server");
  }
}

/** Throws `permission_denied` unless the caller may read what is about the whole server. */
export function checkMonitor({ role, projects }: Principal): void {
  if (role === "user") throw notAllowed("this page needs the role monitor or admin");
  if (projects !== "all") throw notAllowed("this page shows all projects, and the token is not for all");
}

/** 403 for a queue whose `acl` lacks the caller. It is the same for one that does not exist: nobody learns names by trying. */
export function notInAcl(
  { email }: Principal,
  { queue }: QueueKey,
  access: "consume" | "produce",
): QueueError {
  const key = access === "consume" ? "user_email" : "writer_email";
  return notAllowed(
    `the acl of the queue ${JSON.stringify(queue)} must list ${JSON.stringify(email)} as ${key}, or the caller must be an administrator`,
  );
}

function checkScope({ scopes }: Principal, access: Access): void {
  const reach = reachOf(scopes);
  if (reach === "full" || (reach === "consumer" && access !== "manage")) return;
  const needed = access === "manage" ? FULL_SCOPE : `${FULL_SCOPE} or ${CONSUMER_SCOPE}`;
  throw new QueueError("permission_denied", `Insufficient Permission: the token needs the scope ${needed}`, {
    location: "Authorization",
    reason: "insufficientPermissions",
  });
}

/** Google's sentence first: clients may look for it. */
function notAllowed(why: string): QueueError {
  return new QueueError("permission_denied", `you are not allowed to make this api call: ${why}`);
}
