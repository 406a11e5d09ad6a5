import { limits, type QueueAdmin, type QueueInfo, type QueuePage, queuePageToken } from "@pullqueue/core";
import { visibleQueue } from "./acl.js";
import type { Principal } from "./principal.js";

/** What is asked of a list of queues. */
interface QueueListing {
  readonly limit: number;
  readonly pageToken?: string;
  readonly stats: boolean;
}

/**
 * A page of those queues that a caller may know of. A page token names the queue before it, so that the pages of one
 * that sees only some are cut behind what it sees: a token from the store would tell it the name of a hidden one.
 */
export async function visibleQueues(
  store: QueueAdmin,
  caller: Principal,
  project: string,
  listing: QueueListing,
): Promise<QueuePage> {
  if (caller.role === "admin") return store.listQueues(project, listing);
  const seen: QueueInfo[] = [];
  let pageToken = listing.pageToken;
  do {
    const page = await store.listQueues(project, {
      limit: limits.LIST_QUEUES_MAX,
      stats: listing.stats,
      ...(pageToken === undefined ? {} : { pageToken }),
    });
    for (const info of page.queues) {
      const shown = visibleQueue(caller, info);
      if (shown === undefined) continue;
      if (seen.length === listing.limit) {
        return { queues: seen, nextPageToken: queuePageToken(seen.at(-1)!.key.queue) };
      }
      seen.push(shown);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return { queues: seen };
}
