import { readdirSync, readFileSync } from "node:fs";

/** Ticks of the kernel's accounting in a second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Processor time that something has used. */
export interface CpuMeter {
  /** Cores that were busy since the last call, or since the meter was made. */
  busyCores(): number;
}

/** A process as the kernel counts it, in ticks. */
interface Process {
  readonly parent: number;
  readonly ticks: number;
  /** Of its children that have ended, and of theirs: theirs by then alone. */
  readonly endedTicks: number;
}

/** Measures these processes alone, while they run. Linux only, as all of these. */
export function processMeter(pids: readonly number[]): CpuMeter {
  return meter(() => sum([...readProcesses()].map(([pid, { ticks }]) => (pids.includes(pid) ? ticks : 0))));
}

/** Measures a process and all that it started, those that have ended too: a contender's program is gone when a figure is asked for. */
export function treeMeter(root: number): CpuMeter {
  return meter(() => ticksOfTree(root));
}

/** Measures what everybody but this program and all that it started did. */
export function othersMeter(): CpuMeter {
  const ours = treeMeter(process.pid);
  const all = meter(busyTicks);
  return { busyCores: () => Math.max(0, all.busyCores() - ours.busyCores()) };
}

function meter(readTicks: () => number): CpuMeter {
  let before = readTicks();
  let beforeMs = performance.now();
  return {
    busyCores() {
      const now = readTicks();
      const nowMs = performance.now();
      const cores = (now - before) / TICKS_PER_SECOND / ((nowMs - beforeMs) / 1000);
      before = now;
      beforeMs = nowMs;
      return cores;
    },
  };
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}

function ticksOfTree(root: number): number {
  const processes = readProcesses();
  const isOurs = (pid: number): boolean => {
    const parent = processes.get(pid)?.parent;
    return pid === root || (parent !== undefined && isOurs(parent));
  };
  const ours = [...processes].filter(([pid]) => isOurs(pid));
  return sum(ours.map(([, { ticks, endedTicks }]) => ticks + endedTicks));
}

function readProcesses(): ReadonlyMap<number, Process> {
  const found = new Map<number, Process>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readIfThere(`/proc/${name}/stat`) : undefined;
    if (stat === undefined) continue;
    // The second field is a name in parentheses, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15).map(Number);
    found.set(Number(name), {
      parent: Number(fields[1]),
      ticks: user + system,
      endedTicks: endedUser + endedSystem,
    });
  }
  return found;
}

/** All cores together: everything but idling and waiting for disks. */
function busyTicks(): number {
  const [, ...fields] = readFileSync("/proc/stat", "utf8").split("\n")[0]!.split(/\s+/);
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = fields.map(Number);
  return user! + nice! + system! + interrupts! + softInterrupts! + stolen!;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // It has ended since it was listed.
  }
}
