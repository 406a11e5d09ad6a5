import type { JsonFields } from "../stored-credentials.js";
import { isObject } from "./json-fields.js";

/** One credential out of a file of several, and how to put it back. */
export interface Multistore {
  readonly credential: JsonFields;
  /** The whole file with other fields in the credential's place. */
  wrap(credential: JsonFields): JsonFields;
}

/** How many credentials are in it, or undefined where the file is none of several. */
export function multistoreCount(fields: JsonFields): number | undefined {
  return entriesOf(fields)?.length;
}

/**
 * Takes the one credential out of a file that oauth2client made for several: `multistore_file` (version 1) or
 * `multiprocess_file_storage` (version 2, base64 of JSON text). Undefined for other files, and where there are more, since nothing says
 * which is meant.
 */
export function unwrapMultistore(fields: JsonFields): Multistore | undefined {
  const [entry, ...others] = entriesOf(fields) ?? [];
  return entry === undefined || others.length > 0 ? undefined : entry;
}

function entriesOf(fields: JsonFields): readonly Multistore[] | undefined {
  const { file_version: version, data, credentials } = fields;
  if (version === 1 && Array.isArray(data)) {
    return data.filter(isObject).flatMap((entry) => {
      const { credential } = entry;
      return isObject(credential)
        ? [{ credential, wrap: (next) => ({ ...fields, data: [{ ...entry, credential: next }] }) }]
        : [];
    });
  }
  if (version === 2 && isObject(credentials)) {
    return Object.entries(credentials).flatMap(([key, text]) => {
      const credential = decode(text);
      return credential === undefined
        ? []
        : [{ credential, wrap: (next) => ({ ...fields, credentials: { [key]: encode(next) } }) }];
    });
  }
  return undefined;
}

function decode(text: unknown): JsonFields | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(String(text), "base64").toString("utf8"));
    return isObject(json) ? json : undefined;
  } catch {
    // Not one that oauth2client would read either; it leaves such entries out.
    return undefined;
  }
}

function encode(fields: JsonFields): string {
  return Buffer.from(JSON.stringify(fields), "utf8").toString("base64");
}
