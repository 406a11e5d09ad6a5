import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import type { JsonFields, UserCredentials } from "../stored-credentials.js";
import { postForm, type TokenRequest } from "../token-endpoint.js";
import { type AccessToken, type Demand, isAdoptable, type TokenMaker } from "./access-token.js";
import { isFor, readIdToken } from "./id-token.js";
import { type Grant, readAnswer, refusalError } from "./token-answer.js";
import type { UserStore } from "./user-file.js";

/** How a person's sign-in is used. */
export interface UserSourceOptions {
  readonly store: UserStore;
  readonly clock: Clock;
  /** Then it is the ID token that is given, if it is for this audience. */
  readonly audience: string | undefined;
  /** What the file is, for messages: its path in quotation marks. */
  readonly name: string;
  /** The command that mends a sign-in which is not good any more. */
  readonly mend: string;
}

/**
 * Tokens of a person's sign-in, by its refresh token (RFC 6749, 6). Under the lock of the file it is read once more, and where somebody
 * has renewed it meanwhile, that token is taken: servers that replace refresh tokens take a second use of one for a theft. For the same
 * reason a request that was sent is brought to its end and saved, whoever has lost interest. A process that is killed between the server's
 * answer and the writing of the file loses the new refresh token; nothing can be done about that.
 */
export class UserSource implements TokenMaker {
  readonly #options: UserSourceOptions;
  /** A refresh token that was refused for good, and how: it is not tried again. */
  #dead: { readonly refreshToken: string; readonly error: AuthError } | undefined;

  constructor(options: UserSourceOptions) {
    this.#options = options;
  }

  async renew(demand: Demand): Promise<AccessToken> {
    const { store } = this.#options;
    const user = await store.read();
    const token = this.#adopted(user, demand);
    if (token !== undefined) return token;
    this.#refreshTokenOf(user);
    return store.alone(demand.signal, () => this.#renewAlone(demand));
  }

  async #renewAlone(demand: Demand): Promise<AccessToken> {
    const { store } = this.#options;
    const user = await store.read();
    const adopted = this.#adopted(user, demand);
    if (adopted !== undefined) return adopted;
    demand.signal.throwIfAborted();
    const refreshToken = this.#refreshTokenOf(user);
    try {
      return await this.#renewBy(user, refreshToken);
    } catch (error) {
      if (this.#dead?.error !== error) throw error;
      // Python's clients know no lock: one of them may have renewed it under our hands.
      const again = await store.read();
      if (again.refreshToken === refreshToken) throw error;
      return this.#adopted(again, demand) ?? this.#renewBy(again, this.#refreshTokenOf(again));
    }
  }

  async #renewBy(user: UserCredentials, refreshToken: string): Promise<AccessToken> {
    const { store, clock } = this.#options;
    // From before the question, so that the token ends no later than we think.
    const nowMs = clock.nowUs() / 1000;
    const grant = await this.#ask(user, refreshToken);
    const after = renewed(user, grant, nowMs);
    await store.save(after, user);
    // An ID token that was there before does not get better by an answer without one.
    const token = this.#tokenOf({ ...after, idToken: grant.idToken });
    if (token === undefined) throw this.#noIdToken();
    // The issuer's clock says when an ID token ends; ours may differ.
    const lifeMs = token.lifeMs ?? grant.lifeMs;
    return { token: token.token, expiresAtMs: nowMs + lifeMs, lifeMs };
  }

  async #ask(user: UserCredentials, refreshToken: string): Promise<Grant> {
    const { clock, name, mend } = this.#options;
    const sent: TokenRequest = {
      tokenUri: user.tokenUri,
      form: { grant_type: "refresh_token", refresh_token: refreshToken },
      client: { clientId: user.clientId, clientSecret: user.clientSecret },
      clock,
    };
    const read = readAnswer(await postForm(sent), sent);
    if ("grant" in read) return read.grant;
    const advice = `The sign-in of ${name} is not good any more. ${mend}`;
    const error = refusalError(read.refusal, sent, { code: "sign_in_needed", advice });
    if (error.code === "sign_in_needed") this.#dead = { refreshToken, error };
    throw error;
  }

  /** The token that is there already, if it will do. */
  #adopted(user: UserCredentials, demand: Demand): AccessToken | undefined {
    if (user.isInvalid) return undefined;
    const token = this.#tokenOf(user);
    const nowMs = this.#options.clock.nowUs() / 1000;
    return token !== undefined && isAdoptable(token, demand, nowMs) ? token : undefined;
  }

  #tokenOf(user: UserCredentials): AccessToken | undefined {
    const { audience } = this.#options;
    if (audience === undefined) {
      if (user.accessToken === undefined) return undefined;
      return { token: user.accessToken, expiresAtMs: user.expiresAtMs, lifeMs: lifeMsOf(user) };
    }
    if (user.idToken === undefined) return undefined;
    const idToken = readIdToken(user.idToken);
    if (idToken === undefined || !isFor(idToken, audience)) throw this.#noIdToken();
    return idToken;
  }

  #refreshTokenOf({ refreshToken, isInvalid }: UserCredentials): string {
    const { name, mend } = this.#options;
    if (refreshToken === undefined) {
      const why = `${name} holds no refresh token, by which its access token could be renewed`;
      throw new AuthError("sign_in_needed", `${why}. ${mend}`);
    }
    if (isInvalid) {
      const why = `${name} is marked as invalid by the program that wrote it: its refresh token was refused`;
      throw new AuthError("sign_in_needed", `${why}. ${mend}`);
    }
    if (this.#dead?.refreshToken === refreshToken) throw this.#dead.error;
    return refreshToken;
  }

  #noIdToken(): AuthError {
    const { audience, name } = this.#options;
    return new AuthError(
      "not_supported",
      `audience is ${JSON.stringify(audience)}, and a person's sign-in (${name}) gives ID tokens for its own application alone: ` +
        "leave audience out, or use a service account",
    );
  }
}

function renewed(user: UserCredentials, grant: Grant, nowMs: number): UserCredentials {
  const { accessToken, lifeMs } = grant;
  return {
    ...user,
    accessToken,
    expiresAtMs: nowMs + lifeMs,
    refreshToken: grant.refreshToken ?? user.refreshToken,
    idToken: grant.idToken ?? user.idToken,
    scopes: grant.scopes ?? user.scopes,
    isInvalid: false,
    fields: withAnswer(user.fields, { access_token: accessToken, expires_in: lifeMs / 1000 }),
  };
}

/** oauth2client keeps the server's answer beside the token. A file of several credentials keeps it elsewhere, and there it may be missing. */
function withAnswer(fields: JsonFields, answer: JsonFields): JsonFields {
  return fields.client_id === undefined ? fields : { ...fields, token_response: answer };
}

/** How long the token lives in all, if the answer that brought it is kept. */
function lifeMsOf({ accessToken, fields: { token_response: answer } }: UserCredentials): number | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  if (!("expires_in" in answer) || !("access_token" in answer)) return undefined;
  const { expires_in: given } = answer;
  const seconds = typeof given === "number" || typeof given === "string" ? Number(given) : 0;
  return answer.access_token === accessToken && seconds > 0 ? seconds * 1000 : undefined;
}
