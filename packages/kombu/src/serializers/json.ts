import type { JsonTypes } from "../json-types.js";
import { writePythonJson } from "../python-json.js";
import { readPythonJson } from "../python-json-reader.js";
import type { Serializer } from "../serializer.js";
import { decodeText } from "../text-encoding.js";

/** Any value; what JSON cannot hold is refused with its path. */
export function jsonSerializer(types: JsonTypes): Serializer {
  return {
    name: "json",
    contentType: "application/json",
    contentEncoding: "utf-8",
    // ASCII alone, so that each character is its byte.
    encode: (value) => Buffer.from(writePythonJson(value, types), "latin1"),
    decode: (body, contentEncoding) => readPythonJson(decodeText(body, contentEncoding), types),
  };
}
