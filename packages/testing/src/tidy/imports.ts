import { posix } from "node:path";
import ts from "typescript";
import {
  filesOf,
  isSource,
  isTest,
  isTypeScript,
  parse,
  type Violation,
  violationAt,
  type Workspace,
  walk,
} from "./workspace.js";

/** Which of our packages each may import, by folder. ARCHITECTURE.md draws it. */
const IMPORT_TABLE: Readonly<Record<string, readonly string[]>> = {
  core: [],
  auth: [],
  kombu: ["core", "auth"],
  server: ["core"],
  cli: ["core", "auth", "kombu", "server"],
  testing: ["core", "auth", "kombu", "server", "cli"],
};

/** Rooms inside packages that stay apart: files that match `from` do not import files that match `to`. */
const ROOMS: readonly { readonly from: RegExp; readonly to: RegExp; readonly why: string }[] = [
  {
    from: /^packages\/server\/src\/routes\//,
    to: /^packages\/core\/src\/stores\//,
    why: "a route knows the contract, not a store",
  },
  {
    from: /^packages\/(?:core|kombu)\/src\/conformance\//,
    to: /^packages\/(?:core|kombu)\/src\/(?:stores|transports)\//,
    why: "a suite is written against the contract, not an implementation",
  },
  {
    from: /^packages\/kombu\/src\/transports\/(?!virtual)/,
    to: /^packages\/kombu\/src\/transports\/(?:memory|sqlite|postgres|appengine|redis|amqp)\b/,
    why: "a transport builds on virtual alone",
  },
  ...["memory", "sqlite", "postgres", "http"].map((store) => ({
    from: new RegExp(`^packages/core/src/stores/${store}\\b`),
    to: new RegExp(`^packages/core/src/stores/(?!${store}\\b)(?:memory|sqlite|postgres|http)\\b`),
    why: "stores do not know each other",
  })),
];

/** A mention of another module, of whatever kind: `import`, `export from`, `import()`, `import("…").Type`. */
interface ModuleReference {
  readonly node: ts.Node;
  readonly specifier: string;
}

/** Packages import along the table, by name and through exported subpaths; what ships never imports tests. */
export function importTable(workspace: Workspace): Violation[] {
  const packages = packagesOf(workspace);
  return filesOf(workspace, isTypeScript).flatMap(([path, text]) =>
    referencesOf(parse(path, text)).flatMap(({ node, specifier }) => {
      const complaint = specifier.startsWith(".")
        ? relativeComplaint(path, specifier)
        : namedComplaint(packages, path, specifier);
      return complaint === undefined ? [] : [violationAt(node, complaint)];
    }),
  );
}

/** Files that import each other in a circle, imports of types and lazy ones included. */
export function importCycles(workspace: Workspace): Violation[] {
  const packages = packagesOf(workspace);
  const graph = new Map<string, string[]>();
  for (const [path, text] of filesOf(workspace, isTypeScript)) {
    const targets = referencesOf(parse(path, text)).map(({ specifier }) =>
      specifier.startsWith(".")
        ? sourcePath(posix.join(posix.dirname(path), specifier))
        : packageSource(packages, specifier),
    );
    graph.set(path, targets.filter((target) => target !== undefined && workspace.has(target)) as string[]);
  }
  return cyclesOf(graph).map((cycle) => ({
    path: cycle[0]!,
    line: 1,
    message: `is part of an import cycle: ${[...cycle, cycle[0]].join(" -> ")}`,
  }));
}

/** Rooms inside packages stay apart, as `ROOMS` says. A file may import those that share its name's first word. */
export function roomsApart(workspace: Workspace): Violation[] {
  const packages = packagesOf(workspace);
  return filesOf(workspace, isSource).flatMap(([path, text]) => {
    const rules = ROOMS.filter(({ from }) => from.test(path));
    return referencesOf(parse(path, text)).flatMap(({ node, specifier }) => {
      const target = targetOf(packages, path, specifier);
      const broken = rules.find(
        ({ to }) => target !== undefined && to.test(target) && !isSibling(path, target),
      );
      return broken === undefined ? [] : [violationAt(node, `imports ${specifier}: ${broken.why}`)];
    });
  });
}

function isSibling(path: string, target: string): boolean {
  const word = (file: string) => posix.basename(file).split(/[-.]/)[0];
  return posix.dirname(path) === posix.dirname(target) && word(path) === word(target);
}

/** The source behind an import, or undefined when it is foreign. */
function targetOf(
  packages: ReadonlyMap<string, Package>,
  path: string,
  specifier: string,
): string | undefined {
  if (specifier.startsWith(".")) return sourcePath(posix.join(posix.dirname(path), specifier));
  return packageSource(packages, specifier);
}

/** A package of ours: its folder below `packages/`, and where its subpaths come from. */
interface Package {
  readonly folder: string;
  /** Exported subpaths ("." and "./…", perhaps with a star) to built files. */
  readonly exports: Readonly<Record<string, string>>;
}

/** Our packages by name, read from their `package.json`. */
export function packagesOf(workspace: Workspace): ReadonlyMap<string, Package> {
  const found = new Map<string, Package>();
  for (const [path, text] of workspace) {
    const folder = /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1];
    if (folder === undefined) continue;
    const { name, exports = {} } = JSON.parse(text) as { name: string; exports?: Record<string, unknown> };
    const targets = Object.entries(exports).map(([subpath, target]) => [subpath, defaultTarget(target)]);
    found.set(name, { folder, exports: Object.fromEntries(targets) });
  }
  return found;
}

/** The source behind an import by name, or undefined when the package is foreign or does not export it. */
export function packageSource(packages: ReadonlyMap<string, Package>, specifier: string): string | undefined {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const owner = packages.get(name);
  if (owner === undefined) return undefined;
  const subpath = `.${specifier.slice(name.length)}`;
  for (const [pattern, target] of Object.entries(owner.exports)) {
    const [head = "", tail] = pattern.split("*");
    const matches =
      tail === undefined ? subpath === pattern : subpath.startsWith(head) && subpath.endsWith(tail);
    if (!matches) continue;
    const star = tail === undefined ? "" : subpath.slice(head.length, subpath.length - tail.length);
    return posix
      .join("packages", owner.folder, target.replace("*", star))
      .replace(/\/dist\//, "/src/")
      .replace(/\.js$/, ".ts");
  }
  return undefined;
}

function relativeComplaint(path: string, specifier: string): string | undefined {
  const target = posix.join(posix.dirname(path), specifier);
  if (folderOf(path) !== folderOf(target)) {
    return `imports ${specifier} across packages: import it by its package's name`;
  }
  if (isSource(path) && !isSource(sourcePath(target)))
    return `imports ${specifier}: what ships imports src only`;
  return undefined;
}

function namedComplaint(
  packages: ReadonlyMap<string, Package>,
  path: string,
  specifier: string,
): string | undefined {
  const owner = [...packages].find(([name]) => specifier === name || specifier.startsWith(`${name}/`))?.[1];
  if (owner === undefined) return undefined;
  if (packageSource(packages, specifier) === undefined) return `imports ${specifier}, which is not exported`;
  const folder = folderOf(path);
  if (folder === undefined || folder === owner.folder) return undefined;
  if (owner.folder === "testing" && isTest(path)) return undefined;
  const allowed = IMPORT_TABLE[folder] ?? [];
  if (allowed.includes(owner.folder)) return undefined;
  return `imports ${specifier}, but ${folder} may import ${allowed.join(", ") || "nothing of ours"}`;
}

/** All modules that a file mentions. */
function referencesOf(file: ts.SourceFile): ModuleReference[] {
  const references: ModuleReference[] = [];
  walk(file, (node) => {
    const specifier = moduleSpecifier(node);
    if (specifier !== undefined) references.push({ node, specifier });
  });
  return references;
}

function moduleSpecifier(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return textOf(node.moduleSpecifier);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return textOf(node.arguments[0]);
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return textOf(node.argument.literal);
  return undefined;
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

function folderOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

function sourcePath(target: string): string {
  return target.replace(/\.js$/, ".ts");
}

function defaultTarget(target: unknown): string {
  if (typeof target === "string") return target;
  return typeof target === "object" && target !== null && "default" in target ? String(target.default) : "";
}

/** One cycle for each knot of the graph (depth first, by white, grey and black nodes). */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]) => {
    if (done.has(node)) return;
    const from = path.indexOf(node);
    if (from >= 0) {
      cycles.push(path.slice(from));
      return;
    }
    for (const target of graph.get(node) ?? []) visit(target, [...path, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return cycles;
}
