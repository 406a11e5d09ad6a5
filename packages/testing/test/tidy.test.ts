import { describe, expect, test } from "vitest";
import { documentLinks, documentPrograms, expectedDocuments } from "../src/tidy/documents.js";
import { errorCodes } from "../src/tidy/error-codes.js";
import {
  docComments,
  exportMaps,
  noDefaultExports,
  noExportStar,
  noInnerIndex,
} from "../src/tidy/exports.js";
import {
  anyHasReason,
  everyTestRuns,
  noMachinePaths,
  noRegistryHosts,
  nothingUnfinished,
} from "../src/tidy/hygiene.js";
import { importCycles, importTable, roomsApart } from "../src/tidy/imports.js";
import { kombuBehaviours, kombuFeatures } from "../src/tidy/kombu-rows.js";
import { kebabCaseFiles, unitsInNames } from "../src/tidy/names.js";
import { architectureLength, fileLengths, functionLengths } from "../src/tidy/sizes.js";
import { timeAndChance } from "../src/tidy/time-and-chance.js";
import { type Rule, readWorkspace, report } from "../src/tidy/workspace.js";

const RULES: Readonly<Record<string, Rule>> = {
  "files have at most 400 lines": fileLengths,
  "ARCHITECTURE.md has at most 250 lines": architectureLength,
  "functions have at most 70 lines": (workspace) => functionLengths(workspace),
  "files are named in kebab-case": kebabCaseFiles,
  "durations and sizes carry their unit": unitsInNames,
  "packages import along the table": importTable,
  "no files import each other in a circle": importCycles,
  "rooms inside packages stay apart": roomsApart,
  "nothing is exported by default": noDefaultExports,
  "nothing is exported by star": noExportStar,
  "inner folders have no index": noInnerIndex,
  "exported subpaths and commands have their files": exportMaps,
  "public names have a doc comment": docComments,
  "time comes from clock.ts and chance from ids.ts": timeAndChance,
  "nothing is left for later": nothingUnfinished,
  "every test runs": everyTestRuns,
  "any has a reason": anyHasReason,
  "nothing names a machine's folders": noMachinePaths,
  "nothing names a registry": noRegistryHosts,
  "docs/errors.md and the error codes agree": errorCodes,
  "docs/kombu-features.md names what is public, and tests that are there": kombuFeatures,
  "docs/kombu-behaviours.md names tests that are there": kombuBehaviours,
  "the documents a reader expects are there": expectedDocuments,
  "links in documents lead somewhere": documentLinks,
  "programs in documents compile": documentPrograms,
};

describe("tidy", () => {
  const workspace = readWorkspace();

  test("readWorkspace() sees the repository", () => {
    expect(workspace.has("packages/core/src/index.ts")).toBe(true);
    expect(workspace.has("package-lock.json")).toBe(true);
    expect([...workspace.keys()].some((path) => path.includes("node_modules/"))).toBe(false);
  });

  for (const [sentence, rule] of Object.entries(RULES)) {
    test(sentence, { timeout: 60_000 }, () => {
      expect(report(rule(workspace))).toBe("");
    });
  }
});
