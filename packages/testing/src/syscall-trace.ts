/** Reads what strace wrote about a server on an SQLite file, to show that what it answered was on disk before. */

/** How strace must be called so that the functions below understand it; the traced command follows. */
export function straceParameters(outputPath: string): string[] {
  const calls = "fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg";
  // -y names the file behind each descriptor; -s: a database page, and with it any answer of ours, is shown whole.
  return ["-f", "--seccomp-bpf", "-y", "-s", "8192", "-e", `trace=${calls}`, "-o", outputPath];
}

/** One thing that matters for durability, in the order in which it happened. */
export type TraceEvent =
  /** Pages were handed to the kernel for the write-ahead log. */
  | { readonly kind: "logged"; readonly text: string }
  /** The write-ahead log has reached the disk. */
  | { readonly kind: "synced" }
  /** An answer was handed to the kernel for a socket. */
  | { readonly kind: "answered"; readonly status: number; readonly text: string };

/** The events of a trace. A write counts from its start, a sync from its successful end. */
export function readTrace(trace: string): TraceEvent[] {
  const unfinished = new Map<string, string>();
  const events: TraceEvent[] = [];
  for (const line of trace.split("\n")) {
    const [, thread = "", call = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(call);
    if (call.endsWith("<unfinished ...>")) {
      const begun = call.slice(0, -"<unfinished ...>".length);
      unfinished.set(thread, begun);
      push(events, writeEvent(begun));
    } else if (resumed !== null) {
      push(events, syncEvent((unfinished.get(thread) ?? "") + resumed[1]));
      unfinished.delete(thread);
    } else {
      push(events, writeEvent(call) ?? syncEvent(call));
    }
  }
  return events;
}

/**
 * Answers that were sent although something in the log had not reached the disk, or although nothing had been logged
 * since the answer before: for one client that waits for each answer, and whose every call changes something.
 */
export function answersTooEarly(events: readonly TraceEvent[]): string[] {
  const early: string[] = [];
  let isLogged = false;
  let isSynced = true;
  for (const event of events) {
    if (event.kind === "logged") {
      isLogged = true;
      isSynced = false;
    } else if (event.kind === "synced") {
      isSynced = true;
    } else if (event.status === 200) {
      if (!isLogged || !isSynced) early.push(event.text);
      isLogged = false;
    }
  }
  return early;
}

/** For one task whose id is in its pages and in its answer: whether the order was logged, synced, answered. */
export function wasSyncedBeforeAnswer(events: readonly TraceEvent[], id: string): boolean {
  const logged = events.findIndex((event) => event.kind === "logged" && event.text.includes(id));
  const answered = events.findIndex(
    (event) => event.kind === "answered" && event.status === 200 && event.text.includes(id),
  );
  const synced = events.findIndex((event, index) => index > logged && event.kind === "synced");
  return logged >= 0 && synced >= 0 && synced < answered;
}

function push(events: TraceEvent[], event: TraceEvent | undefined): void {
  if (event !== undefined) events.push(event);
}

function writeEvent(call: string): TraceEvent | undefined {
  if (/^(?:pwrite64|write)\(\d+<[^>]*-wal>/.test(call)) return { kind: "logged", text: call };
  const answer = /^(?:write|writev|sendto|sendmsg)\(\d+<(?:socket|TCP)[^>]*>.*?"HTTP\/1\.1 (\d+)/.exec(call);
  return answer === null ? undefined : { kind: "answered", status: Number(answer[1]), text: call };
}

function syncEvent(call: string): TraceEvent | undefined {
  return /^f(?:data)?sync\(\d+<[^>]*-wal>\s*\) += 0/.test(call) ? { kind: "synced" } : undefined;
}
