import ts from "typescript";
import {
  filesOf,
  parse,
  type Violation,
  violationAt,
  violationIn,
  type Workspace,
  walk,
} from "./workspace.js";

/** Where the codes are explained. */
const ERRORS_DOCUMENT = "docs/errors.md";

/** The error classes with their closed sets of codes: class name -> the constant that lists the codes. */
const ERROR_CLASSES: Readonly<Record<string, string>> = {
  QueueError: "QUEUE_ERROR_CODES",
  KombuError: "KOMBU_ERROR_CODES",
  AuthError: "AUTH_ERROR_CODES",
};

/** docs/errors.md has one section for each error code of each class, under the class's heading, and no other. */
export function errorCodes(workspace: Workspace): Violation[] {
  const document = workspace.get(ERRORS_DOCUMENT) ?? "";
  return Object.entries(ERROR_CLASSES).flatMap(([className, constant]) => {
    const codes = codesOf(workspace, constant);
    const sections = sectionsOf(document, className);
    if (codes.length === 0) {
      return [{ path: ERRORS_DOCUMENT, line: 1, message: `no source lists codes in ${constant}` }];
    }
    const undocumented = codes
      .filter(({ text }) => !sections.some((section) => section.code === text))
      .map((node) =>
        violationAt(node, `${node.text} has no section in ${ERRORS_DOCUMENT} under ${className}`),
      );
    const surplus = sections
      .filter(({ code }, index) => {
        const isFirst = sections.findIndex((section) => section.code === code) === index;
        return !isFirst || !codes.some(({ text }) => text === code);
      })
      .map(({ code, position }) =>
        violationIn(
          ERRORS_DOCUMENT,
          document,
          position,
          `${code} is no code of ${className}, or is there twice`,
        ),
      );
    return [...undocumented, ...surplus];
  });
}

/** The string literals of `export const CONSTANT = ["…", …] as const`. */
function codesOf(workspace: Workspace, constant: string): ts.StringLiteral[] {
  const codes: ts.StringLiteral[] = [];
  for (const [path, text] of filesOf(workspace, (file) => file.endsWith("/src/errors.ts"))) {
    walk(parse(path, text), (node) => {
      if (!ts.isVariableDeclaration(node) || node.name.getText() !== constant) return;
      walk(node, (child) => {
        if (ts.isStringLiteral(child)) codes.push(child);
      });
    });
  }
  return codes;
}

/** The third-level headings below the second-level heading that names the class. */
function sectionsOf(
  document: string,
  className: string,
): { readonly code: string; readonly position: number }[] {
  const start = document.search(new RegExp(`^## .*\\b${className}\\b`, "m"));
  if (start < 0) return [];
  const length = document.slice(start + 3).search(/^## /m);
  const chapter = length < 0 ? document.slice(start) : document.slice(start, start + 3 + length);
  return [...chapter.matchAll(/^### `([^`]+)`/gm)].map((match) => ({
    code: match[1]!,
    position: start + match.index,
  }));
}
