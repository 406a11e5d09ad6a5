import { describe, expect, test } from "vitest";
import { documentLinks, documentPrograms, expectedDocuments } from "../../src/tidy/documents.js";
import { readWorkspace, report } from "../../src/tidy/workspace.js";

const FENCE = "```";
const block = (text: string) => `${FENCE}ts\n${text}\n${FENCE}\n`;

describe("documents", () => {
  test("expectedDocuments() misses the README", () => {
    expect(report(expectedDocuments(new Map()))).toMatch(/README\.md:1 is missing/);
  });

  test("documentLinks() follows links relative to the document", () => {
    const files = {
      "docs/a.md": "[x](b.md) [y](../src/) [z](https://example.org#part) [w](../src/c.ts#L1)",
      "docs/b.md": "",
      "src/c.ts": "",
    };
    expect(documentLinks(new Map(Object.entries(files)))).toEqual([]);
    const broken = new Map([["docs/a.md", "\n[x](../README.md#start)"]]);
    expect(report(documentLinks(broken))).toBe("docs/a.md:2 links to ../README.md, which is not there");
  });

  test("documentLinks() looks for the headings behind anchors", () => {
    const files = {
      "docs/a.md": "# Part\n[x](#part) [y](b.md#part-1) [z](b.md#row) [w](b.md#)",
      "docs/b.md": '# Part\n## Part\n<a id="row"></a>',
    };
    expect(documentLinks(new Map(Object.entries(files)))).toEqual([]);
    const broken = new Map(
      Object.entries({ ...files, "docs/a.md": "# Part\n[x](b.md#part-2)\n[y](#part-1)" }),
    );
    expect(report(documentLinks(broken)).split("\n")).toEqual([
      "docs/a.md:2 links to #part-2, which docs/b.md has no heading for",
      "docs/a.md:3 links to #part-1, which docs/a.md has no heading for",
    ]);
  });

  test("documentLinks() takes no code for links", () => {
    const broken = new Map([["a.md", `${block("calls[0](a);")}\n[x](c.md)`]]);
    expect(report(documentLinks(broken))).toBe("a.md:5 links to c.md, which is not there");
  });
});

describe("documentPrograms()", { timeout: 60_000 }, () => {
  const manifests = [...readWorkspace()].filter(([path]) => path.endsWith("package.json"));
  const complaints = (text: string) => report(documentPrograms(new Map([...manifests, ["README.md", text]])));

  test("documentPrograms() finds the line of a name that is not there", () => {
    const text = `# Title\n\n${block(`import { noSuchName } from "@pullqueue/core";\nnoSuchName();`)}`;
    expect(complaints(text)).toMatch(/^README\.md:4 does not compile: .*noSuchName/);
  });

  test("documentPrograms() goes on with the names of the block before", () => {
    const first = block(`import { systemClock } from "@pullqueue/core";\nconst clock = systemClock();`);
    expect(complaints(`${first}\nand then\n\n${block("const clock2: number = clock.nowUs();")}`)).toBe("");
    const wrong = `${first}\nand then\n\n${block("const clock = 1;\nconst text: string = clock;")}`;
    expect(complaints(wrong)).toMatch(/^README\.md:10 does not compile: Type 'number'/);
  });

  test("documentPrograms() leaves other languages alone", () => {
    expect(complaints(`${FENCE}console\n$ npm start\n${FENCE}\n`)).toBe("");
  });
});
