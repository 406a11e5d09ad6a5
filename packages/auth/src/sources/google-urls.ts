import { AuthError } from "../errors.js";
import { isObject } from "../files/json-fields.js";
import { isConfidential } from "../loopback.js";
import type { JsonFields } from "../stored-credentials.js";

/** Where secrets are sent. */
const SENT_TO = [
  ...["token_url", "token_info_url", "revoke_url", "service_account_impersonation_url"],
  "cloud_resource_manager_url",
];

/** Where the token of the cloud that the program runs in is had; such addresses answer within the machine's own network only. */
const FETCHED_FROM = ["url", "region_url", "imdsv2_session_token_url", "regional_cred_verification_url"];

/** The metadata servers of Amazon's, Google's and Microsoft's machines: link-local addresses, which no router passes on. */
const METADATA = /^(?:169\.254\.\d{1,3}\.\d{1,3}|\[fd00:ec2::254\]|metadata\.google\.internal)$/;

/**
 * Throws `not_permitted` where a file would have secrets sent unencrypted, and `invalid_file` for an address that is none: the library itself
 * goes wherever the file says. Nothing is quoted but the scheme and the host.
 */
export function assertSafeAddresses(fields: JsonFields, name: string): void {
  const check = (within: JsonFields, keys: readonly string[], isMetadataAllowed: boolean) => {
    for (const key of keys.flatMap((name) => [name, camelCase(name)])) {
      const value = within[key];
      if (value === undefined || value === null) continue;
      // Amazon's have `{region}` in their host.
      const address = typeof value === "string" ? value.replaceAll("{region}", "region") : "";
      const url = URL.canParse(address) ? new URL(address) : undefined;
      if (url === undefined) {
        throw new AuthError("invalid_file", `${name} has a ${key} that is no URL; expected one with https`);
      }
      if (isConfidential(url) || (isMetadataAllowed && METADATA.test(url.hostname))) continue;
      throw new AuthError(
        "not_permitted",
        `${name} has a ${key} at ${url.origin}: secrets are sent over https or to this machine alone`,
      );
    }
  };
  check(fields, SENT_TO, false);
  if (isObject(fields.credential_source)) check(fields.credential_source, FETCHED_FROM, true);
  if (isObject(fields.source_credentials)) assertSafeAddresses(fields.source_credentials, name);
}

/** The library takes these names in either spelling. */
function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
