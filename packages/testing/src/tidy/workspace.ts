import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** The repository as the tidy rules see it: the texts of its files by path, relative to the root, with slashes. */
export type Workspace = ReadonlyMap<string, string>;

/** One place that breaks a rule. */
export interface Violation {
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  /** What is wrong and what to do instead. */
  readonly message: string;
}

/** A rule looks at all files and returns what breaks it. */
export type Rule = (workspace: Workspace) => readonly Violation[];

/** Larger files are data, and nobody's prose: rules do not read them, in bytes. The lock file is about 150 kB. */
const FILE_BYTES_MAX = 1024 * 1024;

const TEXT_FILE = /\.(?:ts|js|mjs|cjs|json|md|yaml|yml|sh|py|svg)$|(?:^|\/)(?:LICENSE|\.[a-z]+(?:\/run)?)$/;

/** The folder of the repository. */
export const REPOSITORY_ROOT = new URL("../../../../", import.meta.url);

/** Reads what git tracks, or would track, below `root`. Deleted and binary files are left out. */
export function readWorkspace(root: URL = REPOSITORY_ROOT): Workspace {
  const folder = root.pathname;
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: folder,
    encoding: "utf8",
  });
  const workspace = new Map<string, string>();
  for (const path of new Set(listed.split("\0"))) {
    if (!TEXT_FILE.test(path)) continue;
    const text = readIfThere(join(folder, path));
    if (text !== undefined && text.length <= FILE_BYTES_MAX) workspace.set(path, text);
  }
  return workspace;
}

/** TypeScript that ships: the sources of packages. */
export function isSource(path: string): boolean {
  return /^packages\/[^/]+\/src\/.+\.ts$/.test(path);
}

/** TypeScript of any kind: sources, tests, examples, benchmarks, configuration. */
export function isTypeScript(path: string): boolean {
  return path.endsWith(".ts");
}

/** TypeScript that runs under the test runner or only for it. */
export function isTest(path: string): boolean {
  return /^packages\/[^/]+\/test\/.+\.ts$/.test(path);
}

/** Files of the workspace for which `wanted` holds, by path. */
export function filesOf(workspace: Workspace, wanted: (path: string) => boolean): [string, string][] {
  return [...workspace].filter(([path]) => wanted(path)).sort(([a], [b]) => (a < b ? -1 : 1));
}

const parsed = new Map<string, ts.SourceFile>();

/** The syntax tree of a file, with parents. Files are parsed once, whichever rules look at them. */
export function parse(path: string, text: string): ts.SourceFile {
  const known = parsed.get(path);
  if (known !== undefined && known.text === text) return known;
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  parsed.set(path, tree);
  return tree;
}

/** Calls `visit` for every node below `root`, in the order of the text. */
export function walk(root: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(root, (node) => {
    visit(node);
    walk(node, visit);
  });
}

/** A violation at the start of a node. */
export function violationAt(node: ts.Node, message: string): Violation {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return { path: file.fileName, line: line + 1, message };
}

/** A violation at a position of a text. */
export function violationIn(path: string, text: string, position: number, message: string): Violation {
  return { path, line: text.slice(0, position).split("\n").length, message };
}

/** One line for each violation, as a person reads a complaint of a compiler. */
export function report(violations: readonly Violation[]): string {
  return violations.map(({ path, line, message }) => `${path}:${line} ${message}`).join("\n");
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // Deleted but not yet committed, or removed by a colleague since git listed it.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
