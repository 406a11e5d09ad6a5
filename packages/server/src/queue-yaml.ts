import { parseProject, QueueError, type QueueSettings } from "@pullqueue/core";
import { LineCounter, parseDocument } from "yaml";
import { Complaints } from "./complaints.js";
import { type QueueEntry, readQueueEntry } from "./queue-yaml-entry.js";
import { readStorageLimit } from "./queue-yaml-limits.js";
import { YamlReader } from "./yaml-reader.js";

/** Google's queue.yaml: the queues of one application. */

/** What a file says. */
export interface QueueFile {
  /** From `application`, without its prefix. */
  readonly project: string | undefined;
  readonly queues: ReadonlyMap<string, QueueSettings>;
  /** Whether queues that somebody has paused go on when the file is applied. Default false: a pause outlives a start. */
  readonly resumesPausedQueues: boolean;
  /** What was accepted and has no effect here, each with its line. */
  readonly warnings: readonly string[];
}

const TOP_LEVEL_KEYS = ["queue", "total_storage_limit", "application", "resume_paused_queues"];

/**
 * Reads a file. Throws one `invalid_argument` with every complaint and its line: bad YAML, unknown keys, keys that pull
 * queues must not have, wrong values, names given twice. `fileName` stands in the messages.
 */
export function parseQueueYaml(text: string, fileName = "queue.yaml"): QueueFile {
  const complaints = new Complaints(`${fileName} cannot be used:`);
  const warnings: string[] = [];
  const lines = new LineCounter();
  // The yaml package builds plain nodes and runs nothing; aliases are followed, and counted, by YamlReader alone.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  for (const error of document.errors) {
    complaints.add(`line ${lines.linePos(error.pos[0]).line}: ${error.message}`);
  }
  complaints.throwIfAny();
  const reader = new YamlReader(document, lines, {
    complain: (complaint) => complaints.add(complaint),
    warn: (warning) => warnings.push(`${fileName}, ${warning}`),
  });
  const top = reader.mapping(document.contents, "the file");
  reader.refuseUnknown(top, TOP_LEVEL_KEYS, "the file");
  const project = readApplication(reader, top.get("application"));
  readTotalStorageLimit(reader, top.get("total_storage_limit"));
  const resume = top.get("resume_paused_queues");
  const resumesPausedQueues = resume !== undefined && reader.boolean(resume, "resume_paused_queues") === true;
  const queues = readQueues(reader, top);
  complaints.throwIfAny();
  return { project, queues, resumesPausedQueues, warnings };
}

type Mapping = ReturnType<YamlReader["mapping"]>;

function readQueues(reader: YamlReader, top: Mapping): ReadonlyMap<string, QueueSettings> {
  const list = top.get("queue");
  const entries = list === undefined ? [] : reader.sequence(list.value, "queue", list.line);
  if (entries.length === 0) {
    // An empty file would disable every queue: that is a mistake more often than a wish.
    reader.complain(list?.line ?? 1, "queue must list at least one queue");
  }
  const read = new Map<string, QueueEntry>();
  for (const node of entries) {
    const entry = readQueueEntry(reader, node);
    if (entry === undefined) continue;
    const earlier = read.get(entry.name)?.line;
    if (earlier !== undefined) {
      reader.complain(entry.line, `the queue "${entry.name}" is there twice, first in line ${earlier}`);
    }
    read.set(entry.name, entry);
  }
  for (const entry of read.values()) checkDeadLetterQueue(reader, entry, read);
  for (const entry of read.values()) warnOfCircle(reader, entry, read);
  return new Map([...read].map(([name, { settings }]) => [name, settings]));
}

/** A name that is mistyped would make a queue that nobody looks into. */
function checkDeadLetterQueue(
  reader: YamlReader,
  { name, settings, deadLetterLine }: QueueEntry,
  entries: ReadonlyMap<string, QueueEntry>,
): void {
  const { deadLetterQueue } = settings;
  if (deadLetterQueue === undefined || deadLetterLine === undefined) return;
  const complain = (what: string) =>
    reader.complain(deadLetterLine, `dead_letter_queue of the queue "${name}" ${what}`);
  if (deadLetterQueue === name) complain("must be another queue");
  else if (!entries.has(deadLetterQueue)) complain(`must be in this file, and "${deadLetterQueue}" is not`);
  else if (entries.get(deadLetterQueue)?.settings.mode === "push") {
    complain(`must be a pull queue, and "${deadLetterQueue}" is none: say mode: pull there`);
  }
}

/** Allowed, as whoever consumes these queues may know an end; but a task that nobody can do goes round for ever. */
function warnOfCircle(
  reader: YamlReader,
  { name, deadLetterLine }: QueueEntry,
  entries: ReadonlyMap<string, QueueEntry>,
): void {
  const way = [name];
  for (let next = name; way.length <= entries.size; way.push(next)) {
    const following = entries.get(next)?.settings.deadLetterQueue;
    if (following === undefined || following === next) return;
    if (following === name) {
      reader.warn(deadLetterLine ?? 1, `dead letters go round in a circle: ${[...way, name].join(" -> ")}`);
      return;
    }
    next = following;
  }
}

function readApplication(reader: YamlReader, field: ReturnType<Mapping["get"]>): string | undefined {
  if (field === undefined) return undefined;
  const text = reader.text(field, "application");
  if (text === undefined) return undefined;
  try {
    return parseProject(text);
  } catch (error) {
    reader.complain(field.line, QueueError.from(error).message);
    return undefined;
  }
}

/** App Engine's limit for all queues of an application together, which no store of ours counts. */
function readTotalStorageLimit(reader: YamlReader, field: ReturnType<Mapping["get"]>): void {
  if (field === undefined) return;
  readStorageLimit(reader, field, "total_storage_limit");
  reader.warn(
    field.line,
    "total_storage_limit is accepted and not enforced: give each queue a storage_limit of its own",
  );
}

/** The project of a file's queues: the one given, or that of the file. Throws `invalid_argument` when they disagree or both lack. */
export function projectOfFile(file: QueueFile, given: string | undefined): string {
  const project = given === undefined ? undefined : parseProject(given);
  if (project !== undefined && file.project !== undefined && project !== file.project) {
    throw new QueueError(
      "invalid_argument",
      `queue.yaml belongs to the application "${file.project}", the project given is "${given}"`,
    );
  }
  const found = project ?? file.project;
  if (found !== undefined) return found;
  throw new QueueError(
    "invalid_argument",
    "a queue.yaml needs to know its project: give --project (PULLQUEUE_PROJECT), or application: in the file",
  );
}
