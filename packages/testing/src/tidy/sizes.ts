import ts from "typescript";
import {
  filesOf,
  isTypeScript,
  parse,
  type Violation,
  violationAt,
  type Workspace,
  walk,
} from "./workspace.js";

/** Most lines of a file: what one person can hold in mind. */
const FILE_LINES_MAX = 400;

/** Most lines of ARCHITECTURE.md: what is read in one sitting. Detail has documents of its own. */
const ARCHITECTURE_LINES_MAX = 250;

/** Most lines of a function: what fits a screen. */
const FUNCTION_LINES_MAX = 70;

/** Most functions that may be longer. */
const LONG_FUNCTIONS_MAX = 5;

/** Functions that may be longer, as `path#name`, each with its reason. */
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {};

/** No file has more than 400 lines. */
export function fileLengths(workspace: Workspace): Violation[] {
  return longerThan(FILE_LINES_MAX, filesOf(workspace, isCode), "split it by duty");
}

/** Nor has ARCHITECTURE.md more than 250. */
export function architectureLength(workspace: Workspace): Violation[] {
  const files = filesOf(workspace, (path) => path === "ARCHITECTURE.md");
  return longerThan(ARCHITECTURE_LINES_MAX, files, "say it in fewer words, or in the document that owns it");
}

function longerThan(
  max: number,
  files: readonly (readonly [path: string, text: string])[],
  advice: string,
): Violation[] {
  return files.flatMap(([path, text]) => {
    const lines = text.trimEnd().split("\n").length;
    return lines <= max ? [] : [{ path, line: 1, message: `has ${lines} lines, at most ${max}: ${advice}` }];
  });
}

/** No function has more than 70 lines, but for the named exceptions; tests that group cases are not counted as functions. */
export function functionLengths(
  workspace: Workspace,
  exceptions: Readonly<Record<string, string>> = LONG_FUNCTIONS,
): Violation[] {
  const violations: Violation[] = [];
  const unused = new Set(Object.keys(exceptions));
  for (const [path, text] of filesOf(workspace, isTypeScript)) {
    walk(parse(path, text), (node) => {
      if (!ts.isFunctionLike(node) || isGroupOfTests(node)) return;
      const lines = lineCount(node);
      if (lines <= FUNCTION_LINES_MAX) return;
      const name = functionName(node);
      if (unused.delete(`${path}#${name}`) || `${path}#${name}` in exceptions) return;
      violations.push(violationAt(node, `${name} has ${lines} lines, at most ${FUNCTION_LINES_MAX}`));
    });
  }
  for (const name of unused) {
    violations.push({ path: name, line: 1, message: "is no long function any more: remove the exception" });
  }
  if (Object.keys(exceptions).length > LONG_FUNCTIONS_MAX) {
    violations.push({ path: "packages/testing/src/tidy/sizes.ts", line: 1, message: "too many exceptions" });
  }
  return violations;
}

function isCode(path: string): boolean {
  return /\.(?:ts|mjs|js)$/.test(path);
}

function lineCount(node: ts.Node): number {
  const file = node.getSourceFile();
  const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line;
  return file.getLineAndCharacterOfPosition(node.end).line - first + 1;
}

/** `describe("…", () => { … })`: a table of contents, not a function with branches. */
function isGroupOfTests(node: ts.Node): boolean {
  const call = node.parent;
  return (
    ts.isCallExpression(call) &&
    call.arguments.some((argument) => argument === node) &&
    /^describe\b/.test(call.expression.getText())
  );
}

function functionName(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  if (ts.isConstructorDeclaration(node)) return "constructor";
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText();
  if (ts.isCallExpression(parent)) return `argument of ${parent.expression.getText()}`;
  return "function";
}
