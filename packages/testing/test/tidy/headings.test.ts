import { describe, expect, test } from "vitest";
import { headings } from "../../src/tidy/headings.js";

const slugs = (...lines: string[]) => headings(lines.join("\n")).map(({ slug }) => slug);

describe("headings()", () => {
  test("headings() keeps letters, digits, underscores and hyphens of what is shown", () => {
    expect(slugs("# When the broker is away")).toEqual(["when-the-broker-is-away"]);
    expect(slugs("## QueueError, of `@pullqueue/core`")).toEqual(["queueerror-of-pullqueuecore"]);
    expect(slugs("### `too_large`", "### ACL\\_MAX", "### on-error ###")).toEqual([
      "too_large",
      "acl_max",
      "on-error",
    ]);
    expect(slugs("# How to add … – Ä")).toEqual(["how-to-add---ä"]);
    expect(slugs("# [The page](page.md) <b>x</b> `Map<K>`", "# \\[custom\\]()", "# A\\<T\\>")).toEqual([
      "the-page-x-mapk",
      "custom",
      "at",
    ]);
  });

  test("headings() counts what is repeated, and gives no name twice", () => {
    expect(slugs("# Part", "## part()", "### Other", "# Part")).toEqual([
      "part",
      "part-1",
      "other",
      "part-2",
    ]);
    expect(slugs("# Part", "# Part-1", "# Part", "# Part-1")).toEqual([
      "part",
      "part-1",
      "part-2",
      "part-1-1",
    ]);
  });

  test("headings() passes over what is none, and says where the others are", () => {
    const text = "#hash\n```no block```\n```sh\n# comment\n```\n\n~~~\n```\n# comment\n~~~\n# Title";
    expect(headings(text)).toEqual([{ line: 11, slug: "title" }]);
  });
});
