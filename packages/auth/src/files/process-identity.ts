import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { systemCode } from "./file-errors.js";

/** Which process it is, so that another one can tell whether it is still there. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In which world that number is a process: the machine, its start, and the container's own numbering. */
  readonly world: string;
  /** When it started, in ticks since the machine did; empty where the system does not say. Numbers come back, and 1 is in every container. */
  readonly started: string;
}

/** Our own. */
export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, world: world(), started: statOf("self").started };
}

/** Whether it is known to have ended. Of other machines, and of other containers, nothing is known. */
export function isGone({ pid, world: itsWorld, started }: ProcessIdentity): boolean {
  if (itsWorld !== world()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return systemCode(error) === "ESRCH";
  }
  const now = statOf(String(pid));
  // One that has ended keeps its number until its parent has asked for its end.
  return now.state === "Z" || (started !== "" && now.started !== "" && now.started !== started);
}

let cachedWorld: string | undefined;

function world(): string {
  cachedWorld ??= createHash("sha256")
    .update(
      [
        hostname(),
        orNothing(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")),
        orNothing(() => readlinkSync("/proc/self/ns/pid")),
        // Ticks are counted by this one.
        orNothing(() => readlinkSync("/proc/self/ns/time")),
      ].join("\n"),
    )
    .digest("hex")
    .slice(0, 16);
  return cachedWorld;
}

/** Fields 3 and 22 of /proc/…/stat. The name before them, in brackets, may hold anything. */
function statOf(process: string): { readonly state: string; readonly started: string } {
  const stat = orNothing(() => readFileSync(`/proc/${process}/stat`, "latin1"));
  const [state = "", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state, started: fields[18] ?? "" };
}

/** Systems other than Linux have no such files. */
function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    // Then it is told apart by less.
    return "";
  }
}
