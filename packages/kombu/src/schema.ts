import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Check } from "./check.js";
import { KombuError, type SchemaIssue } from "./errors.js";
import { SCHEMA_ISSUES_SHOWN } from "./limits.js";
import { keyPath } from "./value-place.js";

/**
 * A validator of any library that knows https://standardschema.dev, such as zod, valibot and arktype: `In` is what is published,
 * `Out` what a consumer gets.
 */
export type Schema<In = unknown, Out = In> = StandardSchemaV1<In, Out>;

/** A Standard Schema; those of some libraries are functions. */
export const schemaCheck: Check = {
  expected: "a Standard Schema, such as one of zod, valibot or arktype",
  holds: (v) =>
    ((typeof v === "object" && v !== null) || typeof v === "function") &&
    typeof (v as Partial<Schema>)["~standard"]?.validate === "function",
};

/**
 * What a schema makes of a payload. Throws `schema_mismatch`, with all that is wrong in `issues`; a validator that throws is one
 * that refuses. The library's own words are passed on, some of which quote what they refuse.
 */
export async function conform<Out>(
  schema: Schema<unknown, Out>,
  payload: unknown,
  what: string,
): Promise<Out> {
  let result: StandardSchemaV1.Result<Out>;
  try {
    result = await schema["~standard"].validate(payload);
  } catch (cause) {
    const why = `the schema of ${what} threw, so that its payload is refused`;
    throw new KombuError("schema_mismatch", why, { cause, issues: [] });
  }
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ message, path = [] }) => ({ message, path: keyPath(path.map(keyOf)) }));
  throw new KombuError(
    "schema_mismatch",
    `the payload does not fit the schema of ${what}: ${summary(issues)}`,
    {
      issues,
    },
  );
}

function keyOf(segment: PropertyKey | StandardSchemaV1.PathSegment): string | number {
  const key = typeof segment === "object" ? segment.key : segment;
  return typeof key === "number" ? key : String(key);
}

function summary(issues: readonly SchemaIssue[]): string {
  const shown = issues.slice(0, SCHEMA_ISSUES_SHOWN).map(({ message, path }) => `${message}, at ${path}`);
  const more = issues.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
