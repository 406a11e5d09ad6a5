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

/** For an option that may be given several times. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

/** A project without its prefix. */
export function projectOf(given: string | undefined): string | undefined {
  return given === undefined ? undefined : parseProject(given);
}
