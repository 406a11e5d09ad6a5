import { parseProject } from "@pullqueue/core";
import { Option } from "commander";

/** Options of the commands that open a store themselves instead of talking to a server. */

/** `--store`, which every one of them needs. */
export function storeOption(description: string): Option {
  return new Option(
    "--store <address>",
    `${description}: sqlite:PATH or postgres://…, as serve has it`,
  ).makeOptionMandatory();
}

/** `--queue`, which may be given several times; an empty list is all of them. */
export function queueOption(): Option {
  return new Option("--queue <name>", "only this queue; may be given again")
    .argParser((name: string, before: readonly string[]) => [...before, name])
    .default([], "all");
}

/** A project without its prefix. */
export function projectOf(given: string | undefined): string | undefined {
  return given === undefined ? undefined : parseProject(given);
}
