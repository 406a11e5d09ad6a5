import { AuthError } from "../errors.js";
import type { JsonFields } from "../stored-credentials.js";

/** A JSON object and the file it was read from, for errors. */
export interface FieldsOfFile {
  readonly fields: JsonFields;
  readonly path: string;
}

/** A text that has something in it, or undefined: null, an empty text and a missing field are the same in these files. */
export function optionalText(fields: JsonFields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A text that must be there. */
export function requiredText({ fields, path }: FieldsOfFile, name: string): string {
  const text = optionalText(fields, name);
  if (text !== undefined) return text;
  const value = fields[name];
  const got = value === undefined ? "is missing" : value === "" ? "is empty" : "is not a text";
  throw new AuthError("invalid_file", `${path}: the field "${name}" ${got}; expected a text`);
}

/** The address of an endpoint, where there is one. */
export function optionalAddress({ fields, path }: FieldsOfFile, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string" && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) {
    return value;
  }
  throw new AuthError("invalid_file", `${path}: the field "${name}" must be an https URL`);
}

/** A JSON object. */
export function isObject(value: unknown): value is JsonFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The texts of an array, or the words of a text: scopes are stored either way. */
export function textList(value: unknown): readonly string[] | undefined {
  if (typeof value === "string") return value.split(/\s+/).filter((word) => word !== "");
  if (!Array.isArray(value)) return undefined;
  return value.filter((item): item is string => typeof item === "string");
}
