import { parseProject, QueueError, type QueueSettings } from "@pullqueue/core";
import { LineCounter, parseDocument } from "yaml";
import { Complaints } from "./complaints.js";
import { readQueueEntry } from "./queue-yaml-entry.js";
import { YamlReader } from "./yaml-reader.js";

/** Google's queue.yaml: the queues of one application. */

/** What a file says. */
export interface QueueFile {
  /** From `application`, without its prefix. */
  readonly project: string | undefined;
  readonly queues: ReadonlyMap<string, QueueSettings>;
  /** What was accepted and has no effect here, each with its line. */
  readonly warnings: readonly string[];
}

const TOP_LEVEL_KEYS = ["queue", "total_storage_limit", "application", "resume_paused_queues"];

/** A number of bytes, with K, M, G and T as powers of 1024. */
const STORAGE_PATTERN = /^[0-9]+(\.[0-9]*)?[BKMGT]?$/;

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
  readIgnored(reader, top);
  const queues = readQueues(reader, top);
  complaints.throwIfAny();
  return { project, queues, warnings };
}

type Mapping = ReturnType<YamlReader["mapping"]>;

function readQueues(reader: YamlReader, top: Mapping): ReadonlyMap<string, QueueSettings> {
  const queues = new Map<string, QueueSettings>();
  const list = top.get("queue");
  const entries = list === undefined ? [] : reader.sequence(list.value, "queue", list.line);
  if (entries.length === 0) {
    // An empty file would disable every queue: that is a mistake more often than a wish.
    reader.complain(list?.line ?? 1, "queue must list at least one queue");
  }
  const lineOf = new Map<string, number>();
  for (const node of entries) {
    const entry = readQueueEntry(reader, node);
    if (entry === undefined) continue;
    const earlier = lineOf.get(entry.name);
    if (earlier !== undefined) {
      reader.complain(entry.line, `the queue "${entry.name}" is there twice, first in line ${earlier}`);
    }
    lineOf.set(entry.name, entry.line);
    queues.set(entry.name, entry.settings);
  }
  return queues;
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

/** Keys that App Engine knows and that change nothing here. */
function readIgnored(reader: YamlReader, top: Mapping): void {
  const storage = top.get("total_storage_limit");
  if (storage !== undefined) {
    const limit = reader.text(storage, "total_storage_limit");
    if (limit !== undefined && !STORAGE_PATTERN.test(limit)) {
      reader.complain(storage.line, `total_storage_limit must be a size such as 120M, got "${limit}"`);
    }
    reader.warn(storage.line, "total_storage_limit is accepted and not enforced");
  }
  const resume = top.get("resume_paused_queues");
  if (resume !== undefined) {
    reader.boolean(resume, "resume_paused_queues");
    reader.warn(resume.line, "resume_paused_queues is accepted and has no effect");
  }
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
