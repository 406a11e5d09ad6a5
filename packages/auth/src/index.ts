export { AUTH_ERROR_CODES, AuthError, type AuthErrorCode, isAuthError } from "./errors.js";
export { IDENTITY_SCOPES, TASKQUEUE_SCOPE } from "./scopes.js";
export type { PasteRequest, ReadPasted } from "./sign-in/pasted-answer.js";
export { type SignInOptions, signIn } from "./sign-in/sign-in.js";
export type { Credentials, CredentialsOptions } from "./sources/credentials.js";
export { openCredentials } from "./sources/open-credentials.js";
export { type SignOutOptions, signOut } from "./sources/sign-out.js";
export type { CredentialsSummary } from "./summary.js";
