import { limits } from "@pullqueue/core";

/** An address as far as it matters here: something before and something after one @. */
const EMAIL_PATTERN = /^[^\s@]+@[^\s@]+$/;

/** Whether a text can be an address in an `acl` or a token. */
export function isEmail(text: string): boolean {
  return text.length <= limits.EMAIL_LENGTH_MAX && EMAIL_PATTERN.test(text);
}
