import ts from "typescript";
import { filesOf, parse, type Violation, violationAt, type Workspace, walk } from "./workspace.js";

/** What may be called in one file only, because tests hand in another. */
interface BannedCall {
  readonly allowedIn: readonly string[];
  readonly instead: string;
  matches(node: ts.Node): boolean;
}

const BANNED: readonly BannedCall[] = [
  {
    allowedIn: ["packages/core/src/clock.ts", "packages/auth/src/clock.ts"],
    instead: "take a Clock and ask its nowUs()",
    matches: (node) =>
      isMember(node, "Date", /^now$/) ||
      isMember(node, "performance", /^timeOrigin$/) ||
      (ts.isNewExpression(node) && node.expression.getText() === "Date" && !node.arguments?.length) ||
      (ts.isCallExpression(node) && node.expression.getText() === "Date"),
  },
  {
    allowedIn: ["packages/core/src/ids.ts", "packages/auth/src/ids.ts"],
    instead: "take an IdSource, or a function that gives chance",
    matches: (node) =>
      isMember(node, "Math", /^random$/) ||
      isMember(node, "crypto", /^(?:random|getRandomValues$)/) ||
      isImportOfChance(node),
  },
];

/** Only `clock.ts` reads the system's clock, and only `ids.ts` rolls dice. (`performance.now()` measures durations.) */
export function timeAndChance(workspace: Workspace): Violation[] {
  const wanted = (path: string) => /^(?:packages\/[^/]+\/src|examples)\/.+\.ts$/.test(path);
  return filesOf(workspace, wanted).flatMap(([path, text]) => {
    const found: Violation[] = [];
    walk(parse(path, text), (node) => {
      const banned = BANNED.find(
        (candidate) => !candidate.allowedIn.includes(path) && candidate.matches(node),
      );
      if (banned !== undefined) {
        const what = node.getText().slice(0, 40);
        found.push(violationAt(node, `${what} belongs into ${banned.allowedIn[0]}: ${banned.instead}`));
      }
    });
    return found;
  });
}

function isMember(node: ts.Node, object: string, property: RegExp): boolean {
  return (
    ts.isPropertyAccessExpression(node) &&
    new RegExp(`^(?:globalThis\\.)?${object}$`).test(node.expression.getText()) &&
    property.test(node.name.text)
  );
}

/** `import { randomUUID } from "node:crypto"`, under whatever name. */
function isImportOfChance(node: ts.Node): boolean {
  if (!ts.isImportSpecifier(node)) return false;
  const from = node.parent.parent.parent.moduleSpecifier;
  return (
    ts.isStringLiteral(from) &&
    /^(?:node:)?crypto$/.test(from.text) &&
    /^(?:random|webcrypto$|getRandomValues$)/.test((node.propertyName ?? node.name).text)
  );
}
