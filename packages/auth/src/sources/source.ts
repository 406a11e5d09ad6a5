import type { CredentialsSummary } from "../summary.js";
import type { TokenMaker } from "./access-token.js";

/** Credentials in one place: makes their tokens, and says what they are. */
export interface Source extends TokenMaker {
  describe(signal: AbortSignal): Promise<CredentialsSummary>;
}
