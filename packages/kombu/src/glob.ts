/** Python's `fnmatch` on POSIX: the whole text, case-sensitive, `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; nothing is escaped. */

/** Whether one character of the text fits; "*" stands for any number of them. */
type Part = "*" | ((char: string) => boolean);

/** Whether the text fits. Takes no longer than the product of both lengths, whatever the pattern. */
export function globMatches(text: string, pattern: string): boolean {
  const parts = partsOf([...pattern]);
  const chars = [...text];
  let at = 0;
  let part = 0;
  // Where to go on when what follows the last star does not fit here: it takes one more character then.
  let star = -1;
  let starAt = 0;
  while (at < chars.length) {
    const current = parts[part];
    if (current === "*") {
      star = part++;
      starAt = at;
    } else if (current?.(chars[at]!) === true) {
      part += 1;
      at += 1;
    } else if (star >= 0) {
      part = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  return parts.slice(part).every((rest) => rest === "*");
}

function partsOf(pattern: readonly string[]): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    const end = char === "[" ? endOfSet(pattern, at + 1) : -1;
    if (char === "*") parts.push("*");
    else if (char === "?") parts.push(() => true);
    else if (end < 0) parts.push((other) => other === char);
    else parts.push(setOf(pattern.slice(at + 1, end)));
    if (end >= 0) at = end;
  }
  return parts;
}

/** Where the set's bracket is; -1 when there is none, so that the opening one means itself. One that comes first is a member. */
function endOfSet(pattern: readonly string[], start: number): number {
  const first = pattern[start] === "!" ? start + 1 : start;
  return pattern.indexOf("]", pattern[first] === "]" ? first + 1 : first);
}

function setOf(content: readonly string[]): (char: string) => boolean {
  const isNegated = content[0] === "!";
  const members = isNegated ? content.slice(1) : content;
  const ranges: [from: number, to: number][] = [];
  for (let at = 0; at < members.length; at++) {
    const from = members[at]!.codePointAt(0)!;
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    ranges.push([from, isRange ? members[at + 2]!.codePointAt(0)! : from]);
    if (isRange) at += 2;
  }
  return (char) => {
    const code = char.codePointAt(0)!;
    return ranges.some(([from, to]) => from <= code && code <= to) !== isNegated;
  };
}
