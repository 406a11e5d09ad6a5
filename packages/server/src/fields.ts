import { FIELDS_LENGTH_MAX } from "./limits.js";
import { invalidParameter } from "./parameters.js";
import { type PropertySchema, resolveSchema } from "./schemas.js";

/**
 * Google's selector for partial answers: `kind,items(id,tag)`, `items/id`, `stats/*`. It works through arrays, keeps
 * enclosing objects, and is checked against the resource before anything happens, so that a bad one costs no lease.
 */

/** What to keep: all of it, or these fields of it. */
export type FieldMask = true | ReadonlyMap<string, FieldMask>;

/** One element of a selector: a name or `*`, and what is selected below it. */
interface Selection {
  readonly name: string;
  readonly below: readonly Selection[] | undefined;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*|\*/y;

/** Parses a selector and checks it against a resource. Throws `invalid_argument` naming the selection that is wrong. */
export function compileFields(text: string, schema: PropertySchema): FieldMask {
  if (text.length > FIELDS_LENGTH_MAX) {
    throw invalidParameter("fields", `fields must have at most ${FIELDS_LENGTH_MAX} characters`);
  }
  const parser = { text, at: 0 };
  const selections = parseSelections(parser);
  if (parser.at < text.length) throw invalidSelection(text);
  return compile(selections, schema, "");
}

/** The selected part of a JSON value; the value itself is not changed. */
export function applyFields(mask: FieldMask, value: unknown): unknown {
  if (mask === true || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((element) => applyFields(mask, element));
  const selected: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const below = mask.get(name);
    if (below !== undefined && field !== undefined) selected[name] = applyFields(below, field);
  }
  return selected;
}

function parseSelections(parser: { readonly text: string; at: number }): readonly Selection[] {
  const selections: Selection[] = [];
  do selections.push(parseSelection(parser));
  while (take(parser, ","));
  return selections;
}

function parseSelection(parser: { readonly text: string; at: number }): Selection {
  NAME.lastIndex = parser.at;
  const name = NAME.exec(parser.text)?.[0];
  if (name === undefined) throw invalidSelection(parser.text);
  parser.at += name.length;
  if (take(parser, "/")) return { name, below: [parseSelection(parser)] };
  if (!take(parser, "(")) return { name, below: undefined };
  const below = parseSelections(parser);
  if (!take(parser, ")")) throw invalidSelection(parser.text);
  return { name, below };
}

function take(parser: { readonly text: string; at: number }, character: string): boolean {
  if (parser.text[parser.at] !== character) return false;
  parser.at += 1;
  return true;
}

function compile(selections: readonly Selection[], schema: PropertySchema, path: string): FieldMask {
  const mask = new Map<string, FieldMask>();
  for (const selection of selections) {
    for (const [name, below] of compileOne(selection, schema, path)) {
      mask.set(name, union(mask.get(name), below));
    }
  }
  return mask;
}

function compileOne(
  { name, below }: Selection,
  schema: PropertySchema,
  path: string,
): readonly (readonly [string, FieldMask])[] {
  const properties = resolveSchema(schema).properties ?? {};
  const here = path === "" ? name : `${path}/${name}`;
  if (name === "*") return compileWildcard(below, properties, here);
  const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (property === undefined) throw invalidSelection(here);
  return [[name, below === undefined ? true : compile(below, property, here)]];
}

/** A star with something below it means every field that has that; at least one must. */
function compileWildcard(
  below: readonly Selection[] | undefined,
  properties: Readonly<Record<string, PropertySchema>>,
  here: string,
) {
  const found = Object.entries(properties)
    .filter(([, property]) => below === undefined || below.every((selection) => fits(selection, property)))
    .map(([name, property]) => [name, below === undefined ? true : compile(below, property, here)] as const);
  if (found.length === 0) throw invalidSelection(below === undefined ? here : `${here}/${below[0]!.name}`);
  return found;
}

function fits({ name, below }: Selection, schema: PropertySchema): boolean {
  const properties = resolveSchema(schema).properties ?? {};
  const inside = (property: PropertySchema) =>
    below === undefined || below.every((selection) => fits(selection, property));
  if (name === "*") return Object.values(properties).some(inside);
  return Object.hasOwn(properties, name) && inside(properties[name]!);
}

function union(first: FieldMask | undefined, second: FieldMask): FieldMask {
  if (first === undefined) return second;
  if (first === true || second === true) return true;
  const merged = new Map(first);
  for (const [name, mask] of second) merged.set(name, union(merged.get(name), mask));
  return merged;
}

function invalidSelection(selection: string) {
  const shown = selection.length > 100 ? `${selection.slice(0, 100)}…` : selection;
  return invalidParameter("fields", `Invalid field selection ${shown}`);
}
