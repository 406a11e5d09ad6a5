import { AuthError } from "../errors.js";
import { CODE_LENGTH_MIN, PASTED_LENGTH_MAX, PASTES_MAX } from "../limits.js";
import { isAnswerTo } from "./authorization-answer.js";

/** What somebody is asked for. */
export interface PasteRequest {
  /** Aborts when nothing needs to be pasted any more. */
  readonly signal: AbortSignal;
  /** What was wrong with the text before; undefined the first time. */
  readonly complaint: string | undefined;
}

/** How it is asked for. Undefined says that nothing will come, as at the end of the input; then the browser alone can answer. */
export type ReadPasted = (request: PasteRequest) => Promise<string | undefined>;

/** What tells a pasted answer from anything else. */
export interface PasteRules {
  readonly state: string;
  /** Whether the code alone is taken: it has no state, so that only a provider that binds it to this sign-in (PKCE) makes it safe. */
  readonly acceptsBareCode: boolean;
}

/**
 * The parameters of a pasted answer. A text that is none is asked for again, PASTES_MAX times in all, then `sign_in_failed` with the last
 * complaint. Resolves with undefined when nothing comes.
 */
export async function pastedAnswer(
  readPasted: ReadPasted,
  rules: PasteRules,
  signal: AbortSignal,
): Promise<URLSearchParams | undefined> {
  let complaint: string | undefined;
  for (let pastes = 0; pastes < PASTES_MAX && !signal.aborted; pastes++) {
    const text = await readPasted({ signal, complaint });
    if (text === undefined) break;
    const found = answerIn(text, rules);
    if (typeof found !== "string") return found;
    complaint = found;
  }
  if (complaint === undefined) return undefined;
  throw new AuthError("sign_in_failed", `${complaint}. Nothing was saved; sign in again`);
}

/** The parameters of an answer, out of a whole address, its query, or its code; or what is wrong. */
function answerIn(text: string, { state, acceptsBareCode }: PasteRules): URLSearchParams | string {
  if (text.length > PASTED_LENGTH_MAX) return "the pasted text is too long for an address";
  // Terminals break long lines, some people quote, and what follows a # never reaches a server.
  const bare = text
    .replace(/\s+/g, "")
    .replace(/^["'<]+|["'>]+$/g, "")
    .replace(/#.*$/, "");
  if (bare === "") return "nothing was pasted";
  const parameters = new URLSearchParams(bare.slice(bare.indexOf("?") + 1));
  if (parameters.has("code_challenge")) {
    return "this is the address to open in a browser; paste the one that the browser shows at the end";
  }
  if (parameters.has("code") || parameters.has("error")) {
    if (isAnswerTo(state, parameters)) return parameters;
    if (!parameters.has("state")) {
      return "the pasted address is not whole: it has no state; paste all of it, in one line";
    }
    return "the pasted address belongs to another sign-in: its state is not the one of this sign-in";
  }
  if (acceptsBareCode && bare.length >= CODE_LENGTH_MIN && !/[?&]|:\/\//.test(bare)) {
    return new URLSearchParams({ code: decoded(bare) });
  }
  return "the pasted text holds no code; paste the whole address that the browser shows at the end";
}

/** A code that was copied out of an address is encoded like a part of one. */
function decoded(code: string): string {
  try {
    return decodeURIComponent(code);
  } catch {
    return code;
  }
}
