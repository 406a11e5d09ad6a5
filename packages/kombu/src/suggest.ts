/** Most edits between a mistyped name and the one that was probably meant. */
const EDITS_MAX = 3;

/** ` (did you mean x?)` for the known name nearest to a mistyped one, or an empty text when none is near. */
export function suggest(name: string, known: readonly string[]): string {
  let nearest: string | undefined;
  let fewest = Math.min(EDITS_MAX, Math.ceil(name.length / 2)) + 1;
  for (const candidate of known) {
    const exact = editDistance(name, candidate, fewest);
    const edits = Math.min(exact, editDistance(normal(name), normal(candidate), fewest) + OTHER_SPELLING);
    if (edits < fewest) [nearest, fewest] = [candidate, edits];
  }
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}

/** What the other spelling costs: less than an edit, so that it only decides between two names that are equally near. */
const OTHER_SPELLING = 0.5;

/** Spelling in snake_case and camelCase is no difference: the most common mistake of a reader of Python's documentation. */
function normal(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "");
}

/** Levenshtein's distance, or `limit` as soon as it cannot be less. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return Math.min(limit, previous[b.length]!);
}
