import { posix } from "node:path";
import ts from "typescript";
import { packageSource, packagesOf } from "./imports.js";
import {
  filesOf,
  isSource,
  isTypeScript,
  parse,
  type Violation,
  violationAt,
  type Workspace,
  walk,
} from "./workspace.js";

/** The only index file that may stand in an inner folder: the table of contents of a published suite. */
const INNER_INDEX = /\/src\/conformance\/index\.ts$/;

/** No default exports, but for the configuration of tools that demand one. */
export function noDefaultExports(workspace: Workspace): Violation[] {
  const wanted = (path: string) => isTypeScript(path) && !path.endsWith(".config.ts");
  return filesOf(workspace, wanted).flatMap(([path, text]) => {
    const found: Violation[] = [];
    walk(parse(path, text), (node) => {
      const isDefault =
        (ts.isExportAssignment(node) && node.isExportEquals !== true) ||
        node.kind === ts.SyntaxKind.DefaultKeyword ||
        (ts.isExportSpecifier(node) && node.name.text === "default");
      if (isDefault && !ts.isDefaultClause(node.parent)) {
        found.push(violationAt(node, "exports a default: give it a name"));
      }
    });
    return found;
  });
}

/** No `export *`: every public name is written down once. (`export * as name` is one name.) */
export function noExportStar(workspace: Workspace): Violation[] {
  return filesOf(workspace, isTypeScript).flatMap(([path, text]) =>
    parse(path, text)
      .statements.filter((node) => ts.isExportDeclaration(node) && node.exportClause === undefined)
      .map((node) => violationAt(node, "exports everything of a module: list the names")),
  );
}

/** No index files in inner folders: a file is imported by its own name. */
export function noInnerIndex(workspace: Workspace): Violation[] {
  return filesOf(workspace, isSource)
    .filter(([path]) => /\/src\/.+\/index\.ts$/.test(path) && !INNER_INDEX.test(path))
    .map(([path]) => ({ path, line: 1, message: "is an inner index: import files by their own names" }));
}

/** Every subpath that a package exports, and every command it installs, has its source. */
export function exportMaps(workspace: Workspace): Violation[] {
  const violations: Violation[] = [];
  for (const [name, { folder, exports }] of packagesOf(workspace)) {
    const manifest = `packages/${folder}/package.json`;
    const complain = (message: string) => violations.push({ path: manifest, line: 1, message });
    for (const subpath of Object.keys(exports)) {
      if (subpath === "./package.json") continue;
      if (entryFiles(workspace, name, subpath).length === 0) complain(`exports ${subpath} without a source`);
    }
    for (const target of commandsOf(workspace.get(manifest) ?? "{}")) {
      const path = posix.join("packages", folder, target);
      if (!workspace.has(path)) complain(`installs ${target}, which is not there: npm could not link it`);
    }
  }
  return violations;
}

/** Every name that a package exports, from its index or a subpath, has a doc comment. */
export function docComments(workspace: Workspace): Violation[] {
  const entries = [...packagesOf(workspace)].flatMap(([name, { exports }]) =>
    Object.keys(exports).flatMap((subpath) => entryFiles(workspace, name, subpath)),
  );
  const namespaces = entries.flatMap((entry) => namespaceTargets(workspace, entry));
  const undocumented = new Map<ts.Node, string>();
  for (const entry of new Set([...entries, ...namespaces])) {
    for (const name of exportedNames(workspace, entry)) {
      const declarations = declarationsOf(workspace, entry, name);
      if (declarations.length > 0 && !declarations.some(hasDocComment)) {
        undocumented.set(declarations[0]!, name);
      }
    }
  }
  return [...undocumented].map(([node, name]) =>
    violationAt(node, `${name} is exported without a doc comment`),
  );
}

/** Source files behind an exported subpath; a star stands for one file name. */
function entryFiles(workspace: Workspace, packageName: string, subpath: string): string[] {
  const specifier = posix.join(packageName, subpath);
  const path = packageSource(packagesOf(workspace), specifier.replace("*", "STAR"));
  if (path === undefined) return [];
  const [head = "", tail] = path.split("STAR");
  if (tail === undefined) return workspace.has(path) ? [path] : [];
  return [...workspace.keys()].filter(
    (file) =>
      file.startsWith(head) && file.endsWith(tail) && !file.slice(head.length, -tail.length).includes("/"),
  );
}

/** The modules that a file exports as `export * as name`: their names are public too. */
function namespaceTargets(workspace: Workspace, path: string): string[] {
  return parse(path, workspace.get(path) ?? "").statements.flatMap((node) => {
    if (!ts.isExportDeclaration(node) || node.exportClause?.kind !== ts.SyntaxKind.NamespaceExport) return [];
    return resolve(workspace, path, specifierText(node.moduleSpecifier) ?? "") ?? [];
  });
}

function resolve(workspace: Workspace, path: string, specifier: string): string | undefined {
  const target = specifier.startsWith(".")
    ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts")
    : packageSource(packagesOf(workspace), specifier);
  return target !== undefined && workspace.has(target) ? target : undefined;
}

function commandsOf(manifest: string): string[] {
  const { bin = {} } = JSON.parse(manifest) as { bin?: string | Record<string, string> };
  return typeof bin === "string" ? [bin] : Object.values(bin);
}

function exportedNames(workspace: Workspace, path: string): string[] {
  return parse(path, workspace.get(path) ?? "").statements.flatMap((node) => {
    if (ts.isExportDeclaration(node)) {
      const clause = node.exportClause;
      if (clause === undefined) return [];
      return ts.isNamespaceExport(clause) ? [] : clause.elements.map(({ name }) => name.text);
    }
    return isExported(node) ? declaredNames(node) : [];
  });
}

/** Where a name exported by `path` is declared, through re-exports; none when it comes from a foreign package. */
function declarationsOf(workspace: Workspace, path: string, name: string): ts.Statement[] {
  const file = parse(path, workspace.get(path) ?? "");
  const own = file.statements.filter((node) => declaredNames(node).includes(name));
  if (own.length > 0) return own;
  for (const node of file.statements) {
    const origin = originOf(node, name);
    if (origin === undefined) continue;
    if (origin.module === undefined) return declarationsOf(workspace, path, origin.name);
    const target = resolve(workspace, path, origin.module);
    if (target === undefined) return [];
    return declarationsOf(workspace, target, origin.name);
  }
  return [];
}

/** From which module, under which name, a statement takes the name; no module: from the file itself, renamed. */
function originOf(
  node: ts.Statement,
  name: string,
): { readonly module: string | undefined; readonly name: string } | undefined {
  if (ts.isExportDeclaration(node)) {
    const module = specifierText(node.moduleSpecifier);
    const clause = node.exportClause;
    if (clause === undefined || ts.isNamespaceExport(clause)) return undefined;
    const element = clause.elements.find((candidate) => candidate.name.text === name);
    const original = element?.propertyName?.text ?? element?.name.text;
    if (original === undefined || (module === undefined && original === name)) return undefined;
    return { module, name: original };
  }
  if (!ts.isImportDeclaration(node)) return undefined;
  const bindings = node.importClause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return undefined;
  const element = bindings.elements.find((candidate) => candidate.name.text === name);
  if (element === undefined) return undefined;
  return { module: specifierText(node.moduleSpecifier), name: (element.propertyName ?? element.name).text };
}

function specifierText(node: ts.Expression | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteral(node) ? node.text : undefined;
}

function isExported(node: ts.Statement): boolean {
  return ts.canHaveModifiers(node) && has(node, ts.SyntaxKind.ExportKeyword);
}

function has(node: ts.HasModifiers, kind: ts.SyntaxKind): boolean {
  return ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false;
}

function declaredNames(node: ts.Statement): string[] {
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.map(({ name }) => name.getText());
  }
  const isDeclaration =
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isEnumDeclaration(node) ||
    ts.isModuleDeclaration(node);
  return isDeclaration && node.name !== undefined ? [node.name.text] : [];
}

function hasDocComment(node: ts.Statement): boolean {
  return ts.getJSDocCommentsAndTags(node).length > 0;
}
