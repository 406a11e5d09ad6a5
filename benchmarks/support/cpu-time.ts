import { readdirSync, readFileSync } from "node:fs";

/** Ticks of the kernel's accounting in a second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Processor time that something has used. */
export interface CpuMeter {
  /** Cores that were busy since the last call, or since the meter was made. */
  busyCores(): number;
}

/** Ticks used so far, by whom. */
type Ticks = ReadonlyMap<number, number>;

/** Measures these processes alone. Linux only, as all of these. */
export function processMeter(pids: readonly number[]): CpuMeter {
  return meter(() => new Map([...readProcesses()].flatMap(([pid, { ticks }]) => only(pids, pid, ticks))));
}

/** Measures a process and all that it started; those that have ended meanwhile count no more. */
export function treeMeter(root: number): CpuMeter {
  return meter(() => ticksOfTree(root));
}

/** Measures what everybody but this program and all that it started did. */
export function othersMeter(): CpuMeter {
  const ours = treeMeter(process.pid);
  const all = meter(() => new Map([[0, busyTicks()]]));
  return { busyCores: () => Math.max(0, all.busyCores() - ours.busyCores()) };
}

function meter(read: () => Ticks): CpuMeter {
  let before = read();
  let beforeMs = performance.now();
  return {
    busyCores() {
      const now = read();
      const nowMs = performance.now();
      let ticks = 0;
      for (const [pid, used] of now) ticks += used - (before.get(pid) ?? 0);
      const cores = ticks / TICKS_PER_SECOND / ((nowMs - beforeMs) / 1000);
      before = now;
      beforeMs = nowMs;
      return cores;
    },
  };
}

function only(pids: readonly number[], pid: number, ticks: number): [number, number][] {
  return pids.includes(pid) ? [[pid, ticks]] : [];
}

function ticksOfTree(root: number): Ticks {
  const processes = readProcesses();
  const isOurs = (pid: number): boolean => {
    const parent = processes.get(pid)?.parent;
    return pid === root || (parent !== undefined && isOurs(parent));
  };
  return new Map([...processes].filter(([pid]) => isOurs(pid)).map(([pid, { ticks }]) => [pid, ticks]));
}

function readProcesses(): ReadonlyMap<number, { readonly parent: number; readonly ticks: number }> {
  const found = new Map<number, { parent: number; ticks: number }>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readIfThere(`/proc/${name}/stat`) : undefined;
    if (stat === undefined) continue;
    // The second field is a name in parentheses, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    found.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
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
