import type { JsonFields } from "../stored-credentials.js";
import { isObject } from "./json-fields.js";

/** Files by their `type`. */
const TYPES: Readonly<Record<string, string>> = {
  authorized_user: "a person's credentials (authorized_user)",
  service_account: "the key of a service account",
  external_account: "an external account (workload identity federation)",
  external_account_authorized_user: "a person's credentials of an external account",
  impersonated_service_account: "an impersonated service account",
  gdch_service_account: "the key of a service account of Google Distributed Cloud",
};

/** Files by something that no other kind has; the first that fits counts. */
const SIGNS: readonly (readonly [kind: string, (fields: JsonFields) => boolean])[] = [
  [
    "the client secrets of an installed application (client_secrets.json)",
    ({ installed }) => isObject(installed),
  ],
  ["the client secrets of a web application (client_secrets.json)", ({ web }) => isObject(web)],
  [
    "credentials that oauth2client stored",
    ({ _class, _module }) => typeof _class === "string" && typeof _module === "string",
  ],
  [
    "a file of several credentials that oauth2client stored",
    ({ file_version }) => file_version !== undefined,
  ],
  ["a mobile application's google-services.json", ({ project_info }) => isObject(project_info)],
  ["a set of public keys (JWKS)", ({ keys }) => Array.isArray(keys)],
  ["a single key (JWK)", ({ kty }) => typeof kty === "string"],
  [
    "an access token",
    ({ access_token, client_id }) => typeof access_token === "string" && client_id === undefined,
  ],
];

/** What kind of file this is, in words that come after "this is". Quotes nothing of it. */
export function fileKind(fields: JsonFields): string {
  const { type } = fields;
  if (typeof type === "string" && Object.hasOwn(TYPES, type)) return TYPES[type]!;
  const sign = SIGNS.find(([, fits]) => fits(fields));
  return sign?.[0] ?? "a JSON object of a kind that is not known here";
}
