import { newId } from "../ids.js";
import { type ProcessIdentity, thisProcess } from "./process-identity.js";

/** A name, or path, for a file that will take another's place. It says whose it is, so that what a crash leaves can be told from work in progress. */
export function temporaryName(name: string): string {
  const { pid, world, started } = thisProcess();
  return `${name}.${world}-${pid}-${started}-${newId()}.tmp`;
}

/** Whose such a file is; undefined for other names, and for temporaries of other files. */
export function temporaryOwner(temporary: string, name: string): ProcessIdentity | undefined {
  if (!temporary.startsWith(`${name}.`)) return undefined;
  const [, world, pid, started] =
    /^([0-9a-f]{16})-(\d+)-(\d*)-[0-9a-f]{24}\.tmp$/.exec(temporary.slice(name.length + 1)) ?? [];
  if (world === undefined || started === undefined) return undefined;
  return { world, pid: Number(pid), started };
}
