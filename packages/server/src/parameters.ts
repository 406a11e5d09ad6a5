import { QueueError } from "@pullqueue/core";
import type { Query } from "./query.js";

/**
 * Query parameters as tables: one table says how a parameter is read, what the discovery document shows of it, and what
 * docs/protocol.md must mention.
 */

interface Described {
  /** A sentence for the discovery document. */
  readonly description: string;
  readonly required?: true;
}

/** A whole number within bounds. 64-bit ones are strings in discovery documents. */
export interface IntegerParameter extends Described {
  readonly type: "integer";
  readonly format: "int32" | "int64";
  readonly minimum: number;
  readonly maximum: number;
}

/** The text `true` or `false`. */
export interface BooleanParameter extends Described {
  readonly type: "boolean";
  /** Shown in discovery; the reader gives undefined when the parameter is absent. */
  readonly default?: boolean;
}

/** A text; `repeated` ones may be given several times and are read as an array. */
export interface StringParameter extends Described {
  readonly type: "string";
  readonly repeated?: true;
  readonly lengthMax?: number;
  readonly enum?: readonly string[];
}

/** One query parameter. */
export type Parameter = IntegerParameter | BooleanParameter | StringParameter;

/** The query parameters of a method by name. */
export type ParameterTable = Readonly<Record<string, Parameter>>;

type ValueOf<P extends Parameter> = P extends { readonly repeated: true }
  ? readonly string[]
  : P extends IntegerParameter
    ? number
    : P extends BooleanParameter
      ? boolean
      : string;

/** What reading a table gives: required ones are always there. */
export type Values<T extends ParameterTable> = {
  readonly [K in keyof T]: T[K] extends { readonly required: true }
    ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};

/**
 * Reads a table's parameters; others are ignored. Throws `invalid_argument` with Google's reasons: `required` for a
 * missing one, `invalidParameter` for a wrong one or for a single-valued one given twice.
 */
export function readParameters<T extends ParameterTable>(table: T, query: Query): Values<T> {
  const values: Record<string, unknown> = {};
  for (const name in table) values[name] = readParameter(name, table[name] as Parameter, query.get(name));
  return values as Values<T>;
}

function readParameter(name: string, parameter: Parameter, given: string | readonly string[] | undefined) {
  if (given === undefined) {
    if (parameter.required !== true) return undefined;
    throw new QueueError("invalid_argument", `Required parameter: ${name}`, {
      location: name,
      reason: "required",
    });
  }
  if (parameter.type === "string" && parameter.repeated === true) {
    return typeof given === "string" ? [given] : given;
  }
  if (typeof given !== "string") {
    throw invalidParameter(name, `${name} must be given once, got it ${given.length} times`);
  }
  if (parameter.type === "integer") return readInteger(name, parameter, given);
  if (parameter.type === "boolean") return readBoolean(name, given);
  return readText(name, parameter, given);
}

function readInteger(name: string, { minimum, maximum }: IntegerParameter, text: string): number {
  const value = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw invalidParameter(
    name,
    `${name} must be a whole number from ${minimum} to ${maximum}, got ${quote(text)}`,
  );
}

function readBoolean(name: string, text: string): boolean {
  if (text === "true") return true;
  if (text === "false") return false;
  throw invalidParameter(name, `${name} must be true or false, got ${quote(text)}`);
}

function readText(name: string, parameter: StringParameter, text: string): string {
  if (parameter.lengthMax !== undefined && text.length > parameter.lengthMax) {
    throw invalidParameter(
      name,
      `${name} must have at most ${parameter.lengthMax} characters, got ${text.length}`,
    );
  }
  if (parameter.enum !== undefined && !parameter.enum.includes(text)) {
    throw invalidParameter(name, `${name} must be ${parameter.enum.join(" or ")}, got ${quote(text)}`);
  }
  return text;
}

/** A refusal of one parameter, with Google's reason and the parameter's name as its location. */
export function invalidParameter(name: string, message: string): QueueError {
  return new QueueError("invalid_argument", message, { location: name, reason: "invalidParameter" });
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
