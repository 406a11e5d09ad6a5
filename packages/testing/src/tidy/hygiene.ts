import ts from "typescript";
import {
  filesOf,
  isTest,
  isTypeScript,
  parse,
  type Violation,
  violationAt,
  violationIn,
  type Workspace,
  walk,
} from "./workspace.js";

/** Words that promise work instead of doing it. Written apart, so that this file does not contain them. */
const UNFINISHED = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`, "g");

/** Folders of somebody's machine. `/tmp` is everybody's. */
const MACHINE_PATH = /(?<![\w.~/:-])\/(?:work|root|home|Users|workspace)\/[\w.-]+/g;

/** Where packages were fetched from is the business of whoever installs them. */
const REGISTRY =
  /https?:\/\/[\w.:-]*(?:registry|verdaccio|artifactory|nexus)[\w.:-]*|^(?:@[\w-]+:)?registry\s*=.*|--registry[ =]\S+/gim;

/** Comments, documents and scripts promise nothing for later. */
export function nothingUnfinished(workspace: Workspace): Violation[] {
  const wanted = (path: string) => /\.(?:ts|mjs|js|md|yaml|yml|sh|py)$/.test(path);
  return filesOf(workspace, wanted).flatMap(([path, text]) =>
    matches(path, text, UNFINISHED, (word) => `says ${word}: do it, or file it as an issue`),
  );
}

/** No test is left alone (`only`) or left out (`skip`, `todo`). Missing services are the affair of `services.ts`. */
export function everyTestRuns(workspace: Workspace): Violation[] {
  return filesOf(workspace, isTest).flatMap(([path, text]) => {
    const found: Violation[] = [];
    walk(parse(path, text), (node) => {
      const call = ts.isPropertyAccessExpression(node) ? node.getText() : "";
      const isPrefixed =
        ts.isCallExpression(node) && /^(?:[xf](?:it|test|describe))$/.test(node.expression.getText());
      if (/^(?:it|test|describe|suite|bench)(?:\.\w+)*\.(?:only|skip|todo|fails)$/.test(call) || isPrefixed) {
        found.push(violationAt(node, `${node.getText().slice(0, 40)}: every test runs and is meant to pass`));
      }
    });
    return found;
  });
}

/** `any` only with a comment beside it, or above it, that says why. */
export function anyHasReason(workspace: Workspace): Violation[] {
  return filesOf(workspace, isTypeScript).flatMap(([path, text]) => {
    const lines = text.split("\n");
    const found: Violation[] = [];
    walk(parse(path, text), (node) => {
      if (node.kind !== ts.SyntaxKind.AnyKeyword) return;
      const violation = violationAt(node, "any without a comment that says why: prefer unknown");
      const isExplained = [lines[violation.line - 1], lines[violation.line - 2]].some((line) =>
        /\/\/|\*\/|^\s*\*/.test(line ?? ""),
      );
      if (!isExplained) found.push(violation);
    });
    return found;
  });
}

/** Nothing names a folder of the machine it was written on. */
export function noMachinePaths(workspace: Workspace): Violation[] {
  return filesOf(workspace, () => true).flatMap(([path, text]) =>
    matches(path, text, MACHINE_PATH, (found) => `names ${found}, a folder of somebody's machine`),
  );
}

/** Nothing names the registry that packages came from, the lock file included. */
export function noRegistryHosts(workspace: Workspace): Violation[] {
  return filesOf(workspace, () => true).flatMap(([path, text]) => [
    ...matches(path, text, REGISTRY, (found) => `names ${found}: leave the registry to npm's configuration`),
    ...(path.endsWith("package-lock.json")
      ? matches(path, text, /"resolved": "[a-z+]+:[^"]*"/g, () => "has an address: see .npmrc")
      : []),
  ]);
}

function matches(
  path: string,
  text: string,
  pattern: RegExp,
  message: (found: string) => string,
): Violation[] {
  return [...text.matchAll(pattern)].map((match) => violationIn(path, text, match.index, message(match[0])));
}
