import { limits } from "@pullqueue/core";

/** Every number and default of the command. */

/** Where the server is unless told otherwise: the address that `serve` listens on by itself. */
export const ENDPOINT_DEFAULT = "http://127.0.0.1:8085";

/** The project of the queues unless told otherwise; the library's stores have the same. */
export const PROJECT_DEFAULT = "default";

/** How long a failed call is repeated, in milliseconds: somebody waits for the answer, and a server that is not there is not there. */
export const PATIENCE_MS = 1_000;

/** How long `get` hides a task from others, in milliseconds; renewed while the output is written. Long enough for a slow pipe. */
export const LEASE_MS_DEFAULT = 60_000;

/** Shortest lease of `get`, in milliseconds: it must live through a renewal. */
export const LEASE_MS_MIN = 2_000;

/** Most tasks that `get` leases at once; what is not yet written when it is interrupted goes back. */
export const LEASE_TASKS = limits.LEASE_TASKS_MAX;

/** Most tasks that `get --keep` holds; all of them are renewed until the end. */
export const KEPT_TASKS_MAX = limits.BATCH_ITEMS_MAX;

/** Tasks that `list` shows unless told otherwise: a page of the server. */
export const LIST_TASKS_DEFAULT = limits.LIST_TASKS_MAX;

/** Pause of `get --follow` before it asks a server again that went away, in milliseconds: a restart takes a few seconds. */
export const FOLLOW_PAUSE_MS = 1_000;

/** Largest file of `--token-file`, in bytes: the longest token that servers of ours take, and a line's end. */
export const TOKEN_FILE_BYTES_MAX = 8_194;

/** Longest and shortest time that a sign-in may be given, in milliseconds: nobody looks at a browser for more than an hour. */
export const SIGN_IN_MS_MAX = 3_600_000;
export const SIGN_IN_MS_MIN = 1_000;

/** Longest address that is pasted, in bytes: what browsers and servers take, and a terminal's line (4096 on Linux) is shorter. */
export const PASTED_BYTES_MAX = 16_384;

/** How often a progress line is drawn, in milliseconds. */
export const PROGRESS_MS = 100;

/** Longest duration that is taken anywhere, in milliseconds: a task's farthest delay. */
export const DURATION_MS_MAX = limits.DELAY_MS_MAX;

/** Longest life of a token, in milliseconds: ten years. Who wants one that never ends, sets no end. */
export const LIFE_MS_MAX = 3650 * 24 * 3600 * 1000;

/**
 * A second signal within this time is the first one again, in milliseconds: npm and npx pass on to what they run the SIGINT
 * that the terminal has sent to both.
 */
export const SAME_SIGNAL_MS = 500;

/** Longest line of an export, in bytes: a payload in base64 and, generously, a task's other fields in JSON. */
export const EXPORT_LINE_BYTES_MAX = 2 * limits.PAYLOAD_BYTES_MAX;

/** Payload bytes that an import gathers before it writes them. */
export const IMPORT_BATCH_BYTES = 8 * limits.PAYLOAD_BYTES_MAX;

/** How often a migration looks whether consumers of the old store have finished what they hold, in milliseconds. */
export const MIGRATE_LOOK_MS = 500;
