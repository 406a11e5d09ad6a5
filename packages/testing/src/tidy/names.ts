import ts from "typescript";
import { filesOf, isSource, parse, type Violation, violationAt, type Workspace, walk } from "./workspace.js";

const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Words of a duration or a size that say nothing without a unit behind them. A bare `size` is a count, as that of a Map. */
const UNITLESS = /(?:timeout|interval|delay|lease|wait|expiry|duration|.size)$/i;

/** Code lies in files and folders with kebab-case names. */
export function kebabCaseFiles(workspace: Workspace): Violation[] {
  const wanted = (path: string) => /\.(?:ts|mjs|js)$/.test(path);
  return filesOf(workspace, wanted)
    .filter(([path]) => !path.split("/").every(isKebabCase))
    .map(([path]) => ({ path, line: 1, message: "is not named in kebab-case" }));
}

/**
 * Options and arguments that are durations or sizes end in their unit: `timeoutMs`, not `timeout`. Python's own option names
 * (`polling_interval`) keep Python's units, and flags of the command line carry theirs in their value (`--wait 10s`).
 */
export function unitsInNames(workspace: Workspace): Violation[] {
  const wanted = (path: string) => isSource(path) && !path.startsWith("packages/cli/src/commands/");
  return filesOf(workspace, wanted).flatMap(([path, text]) => {
    const found: Violation[] = [];
    walk(parse(path, text), (node) => {
      if (!ts.isPropertySignature(node) && !ts.isParameter(node)) return;
      const name = node.name.getText();
      if (!UNITLESS.test(name) || name.includes("_") || !isNumber(node)) return;
      found.push(violationAt(node, `${name} is a number without a unit: say ${name}Ms, ${name}Bytes, …`));
    });
    return found;
  });
}

function isKebabCase(segment: string): boolean {
  return segment
    .replace(/^\./, "")
    .split(".")
    .every((part) => KEBAB_CASE.test(part));
}

function isNumber(node: ts.PropertySignature | ts.ParameterDeclaration): boolean {
  const types = node.type !== undefined && ts.isUnionTypeNode(node.type) ? node.type.types : [node.type];
  if (types.some((type) => type?.kind === ts.SyntaxKind.NumberKeyword)) return true;
  return "initializer" in node && node.initializer !== undefined && ts.isNumericLiteral(node.initializer);
}
