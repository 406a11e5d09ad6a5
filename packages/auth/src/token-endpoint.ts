import { withinTime } from "./abortable.js";
import type { Clock } from "./clock.js";
import { AuthError } from "./errors.js";
import { isObject } from "./files/json-fields.js";
import { ANSWER_BYTES_MAX, ENDPOINT_TIMEOUT_MS } from "./limits.js";
import { isConfidential } from "./loopback.js";
import { oneHarmlessLine } from "./one-line.js";

/** What is asked of an authorization server's token endpoint (RFC 6749), and of its revocation endpoint (RFC 7009). */
export interface TokenRequest {
  readonly tokenUri: string;
  /** The parameters of the grant, without those of the client. */
  readonly form: Readonly<Record<string, string>>;
  /** Who asks. Left out for assertions, which say so themselves. */
  readonly client?: OAuthClient;
  /** Whether the answer's status says it all where it is a success. Default: its fields do. */
  readonly answer?: "fields" | "status";
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** An application as an authorization server knows it. Public ones have no secret. */
export interface OAuthClient {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
}

/** What came. */
export interface TokenAnswer {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The server's clock by its Date header, in milliseconds since the epoch, where it sent one. */
  readonly serverMs: number | undefined;
}

/** An error by OAuth's own words; `error` is `invalid_grant` and the like. */
export interface Refusal {
  readonly error: string;
  /** That, and what the server said of it: one line without anything that was sent. */
  readonly words: string;
  /** Whether it may end by itself: the server is down or busy, and nothing is wrong with what was sent. */
  readonly isPassing: boolean;
}

/**
 * Posts a form and reads a JSON object, whatever the status; redirects are not followed, because they would carry secrets to where nobody
 * meant them to go. A client with a secret sends it in the body, as Google's clients do, and once more in the header where the server
 * knows no other way (RFC 6749, 2.3.1). Rejects with the signal's reason, `not_permitted` for plain HTTP to another machine, `timeout`
 * or `unavailable`.
 */
export async function postForm(request: TokenRequest): Promise<TokenAnswer> {
  const { client, form } = request;
  if (client === undefined) return post(request, form);
  const { clientId, clientSecret } = client;
  if (clientSecret === undefined) return post(request, { ...form, client_id: clientId });
  const answer = await post(request, { ...form, client_id: clientId, client_secret: clientSecret });
  if (answer.fields.error !== "invalid_client") return answer;
  return post(request, form, `Basic ${basicPair(clientId, clientSecret)}`);
}

/** Why the server refused; undefined when it did not. */
export function refusalOf({ status, fields }: TokenAnswer, sent: TokenRequest): Refusal | undefined {
  if (status >= 200 && status < 300 && fields.error === undefined) return undefined;
  const error = harmless(typeof fields.error === "string" ? fields.error : `status ${status}`, sent);
  const description = typeof fields.error_description === "string" ? fields.error_description : "";
  return {
    error,
    words: [error, harmless(description, sent)].filter(Boolean).join(": "),
    isPassing: status >= 500 || status === 429 || PASSING.test(error),
  };
}

/** RFC 6749, 4.1.2.1, and Google's own. */
const PASSING = /^(?:temporarily_unavailable|server_error|internal_failure)$/;

async function post(
  { tokenUri, clock, signal, answer = "fields" }: TokenRequest,
  form: Readonly<Record<string, string>>,
  authorization?: string,
): Promise<TokenAnswer> {
  const { origin } = endpointUrl(tokenUri);
  const late = () =>
    new AuthError("timeout", `${origin} gave no answer within ${ENDPOINT_TIMEOUT_MS / 1000} s`);
  return withinTime({ clock, timeoutMs: ENDPOINT_TIMEOUT_MS, late, signal }, async (ending) => {
    try {
      const response = await fetch(tokenUri, {
        method: "POST",
        headers: { accept: "application/json", ...(authorization === undefined ? {} : { authorization }) },
        body: new URLSearchParams(form),
        redirect: "error",
        signal: ending,
      });
      const date = Date.parse(response.headers.get("date") ?? "");
      return {
        status: response.status,
        fields: answer === "status" && response.ok ? await ignored(response) : await jsonOf(response, origin),
        serverMs: Number.isNaN(date) ? undefined : date,
      };
    } catch (cause) {
      if (ending.aborted) throw ending.reason;
      if (cause instanceof AuthError) throw cause;
      throw new AuthError("unavailable", `${origin} cannot be reached: ${reasonOf(cause)}`);
    }
  });
}

function endpointUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new AuthError("invalid_file", `the address of a token endpoint must be an https URL`);
  }
  // Fetching refuses them too, and quotes the whole address.
  if (url.username !== "" || url.password !== "") {
    throw new AuthError("invalid_file", `the address of ${url.origin} must carry no user and no password`);
  }
  if (isConfidential(url)) return url;
  throw new AuthError(
    "not_permitted",
    `secrets are sent over https or to this machine alone, and the token endpoint is ${url.origin}`,
  );
}

/** What comes with the status of a revocation means nothing (RFC 7009, 2.2). */
async function ignored(response: Response): Promise<Readonly<Record<string, unknown>>> {
  await response.body?.cancel();
  return {};
}

async function jsonOf(response: Response, origin: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await boundedText(response, origin);
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json;
  } catch {
    // The sentence below says it, without quoting what may be a secret.
  }
  throw new AuthError(
    "unavailable",
    `${origin} answered with status ${response.status} and no JSON object; is it the token endpoint?`,
  );
}

/** A body of at most ANSWER_BYTES_MAX, else `unavailable`. */
export async function boundedText(response: Response, origin: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX)
      throw new AuthError("unavailable", `${origin} answered with more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** RFC 6749, 2.3.1: both halves are form-encoded before they are joined. */
function basicPair(clientId: string, clientSecret: string): string {
  const encode = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);
  return Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString("base64");
}

/** Parameters of a request that are no secrets; what they say may be said again. */
const OPEN_PARAMETERS: ReadonlySet<string> = new Set(["grant_type", "token_type_hint", "redirect_uri"]);

/** Shorter ones would be found in any text. */
const SECRET_LENGTH_MIN = 8;

/** Somebody else's text in one line of ours: short, visible, and without whatever secret it repeats, however it spells it. */
function harmless(text: string, { form, client }: TokenRequest): string {
  const sent = Object.entries(form).flatMap(([name, value]) => (OPEN_PARAMETERS.has(name) ? [] : [value]));
  const secrets = [...sent, client?.clientSecret ?? ""].filter(({ length }) => length >= SECRET_LENGTH_MIN);
  const cleared = secrets.reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
  const line = oneHarmlessLine(cleared);
  // Broken in two, or with marks between: then nothing of it is said.
  const bare = squeezed(cleared);
  return secrets.map(squeezed).some((secret) => secret.length >= SECRET_LENGTH_MIN && bare.includes(secret))
    ? "…"
    : line;
}

/** What is left of a text in any spelling: its letters and digits. */
function squeezed(text: string): string {
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return decoded.replace(/[^a-z0-9]/gi, "").toLowerCase();
}

/** undici hides what happened one or two causes deep. */
function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
    if (cause.cause === undefined) return cause.message;
  }
  return "unknown error";
}
