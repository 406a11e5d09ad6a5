import { newId } from "../ids.js";
import { type ProcessIdentity, thisProcess } from "./process-identity.js";

/** A name, or path, for a file that will take another's place. It says whose it is, so that what a crash leaves can be told from work in progress. */
export function temporaryName(name: string): string {
  const { pid, world, started } = thisProcess();
  return `${name}.${world}-${pid}-${started}-${newId()}.tmp`;
}

/** Whose such a file is, and whose place it was to take; undefined for other names. */
export function temporaryOwner(
  temporary: string,
): { readonly owner: ProcessIdentity; readonly name: string } | undefined {
  const [, name, world, pid, started] =
    /^(.+)\.([0-9a-f]{16})-(\d+)-(\d*)-[0-9a-f]{24}\.tmp$/s.exec(temporary) ?? [];
  if (name === undefined || world === undefined || started === undefined) return undefined;
  return { owner: { world, pid: Number(pid), started }, name };
}
