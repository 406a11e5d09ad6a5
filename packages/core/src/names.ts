import { QueueError } from "./errors.js";
import { PROJECT_LENGTH_MAX, PROJECT_PATTERN, QUEUE_NAME_BYTES_MAX } from "./limits.js";

/** Names of projects and queues: their rules, and the forms they take on the wire. */

/** App Engine's partition before a project id: `s~` (United States), `e~` (Europe), or none. */
export type ProjectPrefix = string;

const PREFIX_PATTERN = /^[a-z]~/;
const FULL_NAME_PATTERN = /^projects\/([^/]+)\/taskqueues\/(.+)$/s;
// Control characters would make names that no log, terminal or URL shows.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/;

/** A project id without its prefix. Throws `invalid_argument` when it is not one. */
export function parseProject(text: string): string {
  const project = text.replace(PREFIX_PATTERN, "");
  if (project.length <= PROJECT_LENGTH_MAX && PROJECT_PATTERN.test(project)) return project;
  throw new QueueError(
    "invalid_argument",
    `a project is letters, digits, and . _ : - inside (optionally with a prefix such as s~), at most ${PROJECT_LENGTH_MAX} characters; got ${JSON.stringify(text.slice(0, 100))}`,
    { location: "project" },
  );
}

/** A project with the prefix that this server or client shows. */
export function projectWithPrefix(project: string, prefix: ProjectPrefix): string {
  return prefix + project;
}

/** The parts of `projects/s~app/taskqueues/name`; a short name has no project. */
export function parseFullQueueName(name: string): {
  readonly project: string | undefined;
  readonly queue: string;
} {
  const full = FULL_NAME_PATTERN.exec(name);
  if (full === null) return { project: undefined, queue: name };
  return { project: full[1]!.replace(PREFIX_PATTERN, ""), queue: full[2]! };
}

/** The name itself, or `invalid_argument`: 1 to 255 bytes of UTF-8, no control characters, not `.` or `..`. */
export function checkQueueNameRule(queue: string): string {
  const bytes = Buffer.byteLength(queue);
  const wellFormed = queue.isWellFormed();
  const dots = queue === "." || queue === "..";
  if (bytes >= 1 && bytes <= QUEUE_NAME_BYTES_MAX && wellFormed && !dots && !CONTROL_CHARACTERS.test(queue)) {
    return queue;
  }
  throw new QueueError(
    "invalid_argument",
    `a queue name is 1 to ${QUEUE_NAME_BYTES_MAX} bytes of UTF-8 without control characters, and neither . nor ..; got ${JSON.stringify(queue.slice(0, 100))} (${bytes} bytes)`,
    { location: "taskqueue" },
  );
}
