import { withinTime } from "../abortable.js";
import { type Clock, systemClock } from "../clock.js";
import { AuthError, isAuthError } from "../errors.js";
import { type ClientSecrets, readClientSecrets } from "../files/client-secrets.js";
import { assertReplaceable } from "../files/credentials-file.js";
import { withFileLock } from "../files/file-lock.js";
import { assertWritable, writePrivateFile } from "../files/private-file.js";
import { encodeUser } from "../files/user-credentials.js";
import { newSecret } from "../ids.js";
import { SIGN_IN_TIMEOUT_MS } from "../limits.js";
import { TASKQUEUE_SCOPE } from "../scopes.js";
import type { UserCredentials } from "../stored-credentials.js";
import { type CredentialsSummary, summarize } from "../summary.js";
import { accountOf } from "./account.js";
import { codeOf, isAnswerTo } from "./authorization-answer.js";
import { authorizationAddress } from "./authorization-request.js";
import { openInBrowser } from "./browser.js";
import { checkSignInOptions } from "./check-options.js";
import { exchangeCode } from "./code-exchange.js";
import { describeProvider, type ProviderDescription, scopesToRequest } from "./discovery.js";
import { type Arrival, type LoopbackServer, startLoopbackServer } from "./loopback-server.js";
import { failurePage, successPage } from "./pages.js";
import { pastedAnswer, type ReadPasted } from "./pasted-answer.js";
import { redirectAddresses } from "./redirect-address.js";

/** How somebody signs in. */
export interface SignInOptions {
  /** The application, as the provider's console gives it: `client_secrets.json` of an installed application. */
  readonly clientSecretsFile: string;
  /** Where the credentials are saved. Replaced if there are some. */
  readonly credentialsFile: string;
  /** What they are to be good for. Default: the task queue. `openid`, `email` and `offline_access` are added where the provider offers them. */
  readonly scopes?: readonly string[];
  /** The port of this machine that the browser is led back to. Default: the client's registered one, else any free one. */
  readonly port?: number;
  /** Whether the browser is opened here. Default true. */
  readonly browser?: boolean;
  /** How long the browser is waited for, in milliseconds. Default SIGN_IN_TIMEOUT_MS, five minutes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** Told where to sign in, once, when the answer can be received. `port` is the one that the browser is led back to. */
  onAddress(address: string, details: { readonly port: number }): void;
  /** Asks for the address that a browser on another machine shows at the end. Whichever answer is first counts. */
  readonly readPasted?: ReadPasted;
  /** Opens the browser. Default: the system's way. What it throws is not heard: the address is known. */
  readonly openBrowser?: (address: string) => unknown;
}

/** One attempt, and what proves that an answer is its own. */
interface Attempt {
  readonly options: SignInOptions;
  readonly clock: Clock;
  readonly secrets: ClientSecrets;
  readonly provider: ProviderDescription;
  readonly wantedScopes: readonly string[];
  readonly requestedScopes: readonly string[];
  readonly redirectUri: string;
  readonly state: string;
  readonly codeVerifier: string;
}

/** An answer, and where its outcome is shown, if a browser waits for that. */
interface Answer {
  readonly parameters: URLSearchParams;
  readonly show?: Arrival["show"];
}

/**
 * Signs a person in with a browser: authorization code with PKCE (RFC 7636) and `state`, led back to this machine's loopback (RFC 8252). Saves
 * the credentials, and says what they are. Before a browser is opened, both files are looked at, so that nobody signs in for nothing. Rejects
 * with the signal's reason; `invalid_file`, `not_found` and `not_permitted` for the files; `unavailable` where the port is taken or the
 * provider is down; `timeout`; `sign_in_failed` when the person or the provider said no. Nothing is written then.
 */
export async function signIn(options: SignInOptions): Promise<CredentialsSummary> {
  checkSignInOptions(options);
  const { clientSecretsFile, credentialsFile, signal, clock = systemClock } = options;
  signal?.throwIfAborted();
  const secrets = await readClientSecrets(clientSecretsFile);
  await assertWritable(credentialsFile);
  await assertReplaceable(credentialsFile);
  const addresses = redirectAddresses(secrets.redirectUris, options.port, clientSecretsFile);
  const state = newSecret();
  const isAnswer = (parameters: URLSearchParams) => isAnswerTo(state, parameters);
  const server = await startLoopbackServer({ addresses, isAnswer, clock });
  try {
    const provider = await describeProvider(secrets.authUri, { clock, signal });
    const wantedScopes = options.scopes ?? [TASKQUEUE_SCOPE];
    const attempt: Attempt = {
      ...{ options, clock, secrets, provider, wantedScopes, state },
      requestedScopes: scopesToRequest(wantedScopes, provider),
      redirectUri: server.redirectUri,
      codeVerifier: newSecret(),
    };
    sendToBrowser(attempt, server);
    return await finish(attempt, await firstAnswer(attempt, server));
  } finally {
    await server.close();
  }
}

function sendToBrowser(attempt: Attempt, { address }: LoopbackServer): void {
  const { options, secrets, requestedScopes, redirectUri, state, codeVerifier } = attempt;
  const { authUri, clientId } = secrets;
  const url = authorizationAddress({
    ...{ authUri, clientId, redirectUri, state, codeVerifier },
    scopes: requestedScopes,
  });
  options.onAddress(url, { port: address.port });
  if (options.browser === false) return;
  const { openBrowser = openInBrowser } = options;
  // Nobody waits for it, and a failure is none: the address was given already.
  new Promise((resolve) => resolve(openBrowser(url))).catch(() => {});
}

/** Of the browser's answer and the pasted one, the first. */
async function firstAnswer(attempt: Attempt, server: LoopbackServer): Promise<Answer> {
  const { options, clock, provider, state } = attempt;
  const { timeoutMs = SIGN_IN_TIMEOUT_MS, signal, readPasted } = options;
  const late = () => new AuthError("timeout", lateMessage(timeoutMs, server.foreignCount));
  const isOver = new AbortController();
  try {
    return await withinTime({ clock, timeoutMs, late, signal }, async (ending) => {
      if (readPasted === undefined) return await server.arrival;
      const stop = AbortSignal.any([ending, isOver.signal]);
      const rules = { state, acceptsBareCode: provider.bindsCodes };
      const pasted = pastedAnswer(readPasted, rules, stop).then((parameters) =>
        parameters === undefined ? server.arrival : { parameters },
      );
      return await Promise.race([server.arrival, pasted]);
    });
  } finally {
    isOver.abort();
    server.markUsed();
  }
}

async function finish(attempt: Attempt, { parameters, show }: Answer): Promise<CredentialsSummary> {
  try {
    const user = await grantedUser(attempt, codeOf(parameters));
    const { clock, options } = attempt;
    const { credentialsFile, signal } = options;
    // Whoever renews the old sign-in at this moment writes before, not over the new one.
    await withFileLock(credentialsFile, { clock, signal }, () =>
      writePrivateFile(credentialsFile, encodeUser(user), clock),
    );
    const summary = summarize(user, credentialsFile);
    show?.(successPage(summary.account));
    return summary;
  } catch (error) {
    // Anything but our own words could hold what is nobody's business.
    show?.(failurePage(isAuthError(error) ? error.message : "it was interrupted"));
    throw error;
  }
}

async function grantedUser(attempt: Attempt, code: string): Promise<UserCredentials> {
  const { options, clock, secrets, provider, wantedScopes, requestedScopes, redirectUri, codeVerifier } =
    attempt;
  const { clientId, clientSecret, tokenUri, revokeUri = provider.revocationEndpoint } = secrets;
  const { clientSecretsFile, signal } = options;
  const tokens = await exchangeCode({
    ...{ tokenUri, client: { clientId, clientSecret }, clientSecretsFile, code, redirectUri, codeVerifier },
    ...{ requestedScopes, wantedScopes, clock, signal },
  });
  const account = await accountOf(tokens, provider.userinfoEndpoint, { clock, signal });
  return {
    ...{ kind: "user", format: "pullqueue", clientId, clientSecret, tokenUri, revokeUri },
    ...tokens,
    isInvalid: false,
    fields: account === undefined ? {} : { account },
  };
}

function lateMessage(timeoutMs: number, foreignCount: number): string {
  const nobody = `nobody finished the sign-in within ${timeoutMs / 1000} s, so nothing was saved`;
  const strangers =
    foreignCount === 0
      ? ""
      : ". What came back belonged to another sign-in: its state was not the one of this";
  return `${nobody}${strangers}. Sign in again; where the browser runs on another machine, forward the port, or sign in with --no-browser and paste the address that it shows at the end`;
}
