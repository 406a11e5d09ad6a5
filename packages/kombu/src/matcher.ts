import { Script } from "node:vm";
import { checkValue, functionCheck, keyCheck, textCheck } from "./check.js";
import { KombuError } from "./errors.js";
import { globMatches } from "./glob.js";
import { PATTERN_LENGTH_MAX, PATTERN_MS_MAX } from "./limits.js";
import { suggest } from "./suggest.js";

/** Whether a text fits a pattern. Throws a `KombuError` for a pattern that it does not understand. */
export type Matcher = (data: string, pattern: string) => boolean;

/**
 * The ways of matching that remote control knows by name, kombu's `matcher`: `glob` and `pcre`. Patterns come from other processes,
 * so that a long one is refused and no way may take long.
 */
export class MatcherRegistry {
  readonly #matchers = new Map<string, Matcher>([
    ["glob", globMatches],
    ["pcre", pcreMatches],
  ]);

  /** Adds a matcher, or replaces the one of its name. It is called with the data first, whatever its name. */
  register(name: string, matcher: Matcher): void {
    checkValue("a matcher's name", name, keyCheck);
    this.#matchers.set(name, checkValue(`matcher ${JSON.stringify(name)}`, matcher, functionCheck));
  }

  /** Takes a matcher away. `not_supported` when there is none of this name. */
  unregister(name: string): void {
    checkValue("a matcher's name", name, textCheck);
    if (!this.#matchers.delete(name)) throw matcherNotInstalled(name, [...this.#matchers.keys()]);
  }

  /**
   * Whether the data fits. Errors: `not_supported` for a matcher that is not there (kombu's `MatcherNotInstalled`), `too_large` for a pattern
   * over 1000 characters, and what the matcher says.
   */
  match(data: string, pattern: string, matcher = "glob"): boolean {
    checkValue("what is matched", data, textCheck);
    const matches = this.#find(pattern, matcher);
    return matches(data, pattern);
  }

  /**
   * Refuses what no node could understand. Only Python knows what its own syntax means, so that this is left to it. Errors: those of `match`,
   * `invalid_argument` for an expression that neither language has.
   */
  checkPattern(pattern: string, matcher = "glob"): void {
    this.#find(pattern, matcher);
    if (matcher === "pcre" && !PYTHON_SYNTAX.test(pattern)) expressionOf(pattern);
  }

  #find(pattern: string, matcher: string): Matcher {
    checkValue("a pattern", pattern, textCheck);
    const matches = this.#matchers.get(checkValue("a matcher's name", matcher, textCheck));
    if (matches === undefined) throw matcherNotInstalled(matcher, [...this.#matchers.keys()]);
    if (pattern.length > PATTERN_LENGTH_MAX) {
      throw new KombuError(
        "too_large",
        `a pattern may have ${PATTERN_LENGTH_MAX} characters, and this one has ${pattern.length}; name the destinations instead`,
      );
    }
    return matches;
  }
}

function matcherNotInstalled(name: string, known: readonly string[]): KombuError {
  return new KombuError(
    "not_supported",
    `there is no matcher ${JSON.stringify(name)}${suggest(name, known)}; use one of ${known.join(", ")}, or register it with the mailbox's matchers`,
  );
}

/** What Python means by these, JavaScript would take for the letters. */
const PYTHON_ONLY = /(?<!\\)(?:\\\\)*\\[AZ]/;

/** What may be an expression in Python though it is none here: its kinds of groups, and quantifiers that give nothing back. */
const PYTHON_SYNTAX = /\(\?|[*+?}]\+/;

/**
 * A regular expression that must fit from the beginning, not to the end, as Python's `re.match`. The syntax is JavaScript's:
 * what only Python has is `invalid_argument`. Matching is cut off after a second (`timeout`), because an expression can be
 * made to take for ever.
 */
function pcreMatches(data: string, pattern: string): boolean {
  if (PYTHON_ONLY.test(pattern)) throw notUnderstood(pattern, undefined);
  const expression = expressionOf(pattern);
  try {
    return RUN.runInNewContext({ expression, data }, { timeout: PATTERN_MS_MAX }) === true;
  } catch (error) {
    const text = `the expression was not matched within ${PATTERN_MS_MAX} ms; make it simpler, or name the destinations`;
    throw new KombuError("timeout", text, { cause: error });
  }
}

function expressionOf(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "y");
  } catch (error) {
    throw notUnderstood(pattern, error);
  }
}

/** The one place where V8 lets go of an expression before it is done is a script with a time limit. */
const RUN = new Script("expression.test(data)");

function notUnderstood(pattern: string, cause: unknown): KombuError {
  return new KombuError(
    "invalid_argument",
    `${JSON.stringify(pattern)} is no regular expression as JavaScript has them; write it without what only Python knows`,
    { cause },
  );
}
