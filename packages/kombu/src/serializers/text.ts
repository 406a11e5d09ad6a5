import { describe } from "@pullqueue/core";
import { KombuError } from "../errors.js";
import type { Serializer } from "../serializer.js";
import { encodeText } from "../text-encoding.js";

/** A string. */
export const textSerializer: Serializer = {
  name: "text",
  contentType: "text/plain",
  contentEncoding: "utf-8",
  encode(value) {
    if (typeof value === "string") return encodeText(value, "utf-8");
    throw new KombuError("not_serializable", `the text serializer takes a string, got ${describe(value)}`);
  },
};

/** Bytes; or a string, which then says that it is UTF-8. */
export const rawSerializer: Serializer = {
  name: "raw",
  contentType: "application/data",
  contentEncoding: "binary",
  encode(value) {
    if (value instanceof Uint8Array) return value;
    if (typeof value === "string") return encodeText(value, "utf-8");
    throw new KombuError(
      "not_serializable",
      `the raw serializer takes bytes or a string, got ${describe(value)}`,
    );
  },
};
