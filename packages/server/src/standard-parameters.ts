import { QueueError } from "@pullqueue/core";
import { compileFields, type FieldMask } from "./fields.js";
import { QUOTA_USER_LENGTH_MAX } from "./limits.js";
import { type ParameterTable, readParameters } from "./parameters.js";
import type { Query } from "./query.js";
import { SCHEMAS, type SchemaName } from "./schemas.js";

/** Parameters that every method of a Google API takes. */
export const STANDARD_PARAMETERS = {
  alt: { type: "string", enum: ["json"], description: "The form of the answer; only json." },
  fields: { type: "string", description: "Selects the parts of the answer that are wanted." },
  key: { type: "string", description: "An API key; ignored." },
  oauth_token: { type: "string", description: "An OAuth 2.0 token; a header is the better place for it." },
  access_token: { type: "string", description: "The same as oauth_token." },
  prettyPrint: { type: "boolean", default: true, description: "Whether the answer is indented." },
  quotaUser: {
    type: "string",
    lengthMax: QUOTA_USER_LENGTH_MAX,
    description: "Any name for a user, at most 40 characters; ignored.",
  },
  userIp: { type: "string", description: "The address of the end user; ignored." },
} as const satisfies ParameterTable;

/** How the answer is to be written. */
export interface AnswerForm {
  readonly pretty: boolean;
  readonly mask: FieldMask;
}

const DEFAULT_FORM: AnswerForm = Object.freeze({ pretty: true, mask: true });

/** Reads the standard parameters of a call that answers with this resource. Throws `invalid_argument`. */
export function readAnswerForm(query: Query, response: SchemaName | undefined): AnswerForm {
  if (!isAnyStandard(query)) return DEFAULT_FORM;
  const { fields, prettyPrint } = readParameters(STANDARD_PARAMETERS, query);
  if (query.has("callback")) {
    throw new QueueError(
      "invalid_argument",
      "callback (JSON-P) is not supported: any page could read the answer; call from your own origin",
      { location: "callback", reason: "invalidParameter" },
    );
  }
  const selects = fields !== undefined && response !== undefined;
  return {
    pretty: prettyPrint ?? true,
    mask: selects ? compileFields(fields, SCHEMAS[response]) : true,
  };
}

/** Most calls have no parameters but their method's own. */
function isAnyStandard(query: Query): boolean {
  for (const name of query.keys()) if (name in STANDARD_PARAMETERS || name === "callback") return true;
  return false;
}
