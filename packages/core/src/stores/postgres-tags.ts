import { TAG_STATS_CHUNK_TASKS } from "../limits.js";
import type { TagFilter, TagStats } from "../task.js";
import type { PostgresConnections } from "./postgres-connections.js";
import type { OpenQueue } from "./postgres-rows.js";
import { START } from "./sorted-tasks.js";

interface CountRow {
  readonly total: number;
  readonly available: number;
  readonly oldest_eta_us: number | null;
  readonly last_eta_us: number | null;
  readonly last_id: string | null;
}

type UntaggedRow = CountRow & { readonly looked: number };
type TaggedRow = CountRow & { readonly tag: string };

/** Counts of at most `limit` tags after one, or from the untagged; a long queue in chunks. */
export async function tagStats(
  connections: PostgresConnections,
  queue: OpenQueue,
  limit: number,
  after: TagFilter | undefined,
): Promise<readonly TagStats[]> {
  const [now] = await connections.read<{ readonly now_us: number }>("now", []);
  const untagged = after === undefined ? await untaggedStats(connections, queue, now!.now_us) : [];
  const tagged = await taggedStats(connections, queue, now!.now_us, limit - untagged.length, after?.tag);
  return [...untagged, ...tagged].slice(0, limit);
}

async function untaggedStats(
  connections: PostgresConnections,
  queue: OpenQueue,
  nowUs: number,
): Promise<readonly TagStats[]> {
  let totals = { totalTasks: 0, availableTasks: 0, oldestEtaUs: undefined as number | undefined };
  let place: { readonly etaUs: number; readonly id: string } = START;
  for (let looked = TAG_STATS_CHUNK_TASKS; looked === TAG_STATS_CHUNK_TASKS; ) {
    const values = [nowUs, queue.id, place.etaUs, place.id, TAG_STATS_CHUNK_TASKS];
    const [row] = await connections.read<UntaggedRow>("countUntagged", values);
    looked = row!.looked;
    totals = added(totals, row!);
    place = { etaUs: row!.last_eta_us ?? 0, id: row!.last_id ?? "" };
  }
  return totals.totalTasks === 0 ? [] : [{ tag: undefined, ...totals }];
}

/** Counts of the tags after one. The empty tag comes after the untagged and before all others. */
async function taggedStats(
  connections: PostgresConnections,
  queue: OpenQueue,
  nowUs: number,
  limit: number,
  afterTag: string | undefined,
): Promise<readonly TagStats[]> {
  const found = new Map<string, TagStats>();
  // No task is due later than this.
  let place = {
    tag: afterTag ?? "",
    etaUs: afterTag === undefined ? START.etaUs : Number.MAX_SAFE_INTEGER,
    id: "",
  };
  for (let looked = TAG_STATS_CHUNK_TASKS; looked === TAG_STATS_CHUNK_TASKS && found.size <= limit; ) {
    const values = [nowUs, queue.id, place.tag, place.etaUs, place.id, TAG_STATS_CHUNK_TASKS];
    const rows = await connections.read<TaggedRow>("countTagged", values);
    looked = rows.reduce((sum, { total }) => sum + total, 0);
    for (const row of rows) {
      const known = found.get(row.tag) ?? { totalTasks: 0, availableTasks: 0, oldestEtaUs: undefined };
      found.set(row.tag, { tag: row.tag, ...added(known, row) });
      place = { tag: row.tag, etaUs: row.last_eta_us!, id: row.last_id! };
    }
  }
  return [...found.values()];
}

function added(
  known: {
    readonly totalTasks: number;
    readonly availableTasks: number;
    readonly oldestEtaUs: number | undefined;
  },
  row: CountRow,
) {
  return {
    totalTasks: known.totalTasks + row.total,
    availableTasks: known.availableTasks + row.available,
    oldestEtaUs: known.oldestEtaUs ?? row.oldest_eta_us ?? undefined,
  };
}
