/** A heading of a Markdown document. */
export interface Heading {
  /** Counted from 1. */
  readonly line: number;
  /** What GitHub calls it in addresses, without the `#`. */
  readonly slug: string;
}

/** The lines of a document that are not in blocks of code, each with its number, counted from 1. */
export function proseLines(text: string): { readonly line: number; readonly text: string }[] {
  let fence: string | undefined;
  return text.split("\n").flatMap((content, index) => {
    const mark = /^\s*(`{3,}(?!.*`)|~{3,})/.exec(content)?.[1];
    if (fence === undefined && mark === undefined) return [{ line: index + 1, text: content }];
    if (fence === undefined) fence = mark;
    // A shorter fence, or one with words behind it, is part of the block.
    else if (mark?.startsWith(fence) && content.trim() === mark) fence = undefined;
    return [];
  });
}

/** The headings of a document that begin with `#`, in their order. */
export function headings(text: string): Heading[] {
  const counts = new Map<string, number>();
  return proseLines(text).flatMap(({ line, text: content }) => {
    const title = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/.exec(content)?.[1];
    return title === undefined ? [] : [{ line, slug: unusedSlug(slugOf(title), counts) }];
  });
}

/** GitHub takes the title as it is shown, and of that letters, digits, `_` and `-`. */
function slugOf(title: string): string {
  return title
    .replace(/(?<!\\)\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/(`[^`]*`)|(?<!\\)<\/?[a-z][^>]*>/gi, "$1")
    .toLowerCase()
    .replace(/[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** The slug, or with -1, -2, … behind it when headings before have it. */
function unusedSlug(slug: string, counts: Map<string, number>): string {
  let count = counts.get(slug) ?? 0;
  let unused = count === 0 ? slug : `${slug}-${count}`;
  while (counts.has(unused)) unused = `${slug}-${++count}`;
  counts.set(slug, count + 1);
  if (unused !== slug) counts.set(unused, 1);
  return unused;
}
