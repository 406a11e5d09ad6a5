import { posix } from "node:path";
import ts from "typescript";
import { headings, proseLines } from "./headings.js";
import { packageSource, packagesOf } from "./imports.js";
import { filesOf, REPOSITORY_ROOT, type Violation, type Workspace } from "./workspace.js";

/** Files that greet a reader; without one of them the repository is not finished. */
const EXPECTED = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "LICENSE",
  "docs/protocol.md",
  "docs/errors.md",
  "docs/security.md",
  "docs/authentication.md",
];

/** A program of a document: its text as a module, and the line of the document where it begins. */
interface DocumentProgram {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** The documents that a reader looks for are there. */
export function expectedDocuments(workspace: Workspace): Violation[] {
  return EXPECTED.filter((path) => !workspace.has(path)).map((path) => ({
    path,
    line: 1,
    message: "is missing",
  }));
}

/**
 * Blocks marked `ts` in Markdown files compile against the sources. A block without an import goes on where the block
 * before it in the same file ended, in a scope of its own.
 */
export function documentPrograms(workspace: Workspace): Violation[] {
  const programs = filesOf(workspace, (path) => path.endsWith(".md")).flatMap(([path, text]) =>
    programsOf(path, text),
  );
  return programs.length === 0 ? [] : compile(workspace, programs);
}

/** Links of documents to files of the repository, and to headings in them, lead somewhere. */
export function documentLinks(workspace: Workspace): Violation[] {
  const documents = filesOf(workspace, (path) => path.endsWith(".md"));
  const anchors = new Map(documents.map(([path, text]) => [path, anchorsOf(text)]));
  const isThere = (path: string) =>
    [...workspace.keys()].some((file) => file === path || file.startsWith(`${path}/`));
  return documents.flatMap(([path, text]) =>
    linksOf(text).flatMap(({ line, target, anchor }) => {
      const file = target === "" ? path : posix.join(posix.dirname(path), target).replace(/\/$/, "");
      if (!isThere(file)) return [{ path, line, message: `links to ${target}, which is not there` }];
      // What is no document of ours, such as a source, has other anchors than headings.
      if (anchor === "" || (anchors.get(file)?.has(anchor) ?? true)) return [];
      return [{ path, line, message: `links to #${anchor}, which ${file} has no heading for` }];
    }),
  );
}

/** The links of a document that stay in the repository; an empty target is the document itself. */
function linksOf(
  text: string,
): { readonly line: number; readonly target: string; readonly anchor: string }[] {
  return proseLines(text).flatMap(({ line, text: content }) =>
    [...content.matchAll(/\]\((?![a-z]+:|\))([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(
      ([, target, anchor = ""]) => ({ line, target: target!, anchor }),
    ),
  );
}

/** Where links into a document may lead: its headings, as GitHub calls them, and what has an id. */
function anchorsOf(text: string): Set<string> {
  const ids = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!);
  return new Set([...headings(text).map(({ slug }) => slug), ...ids]);
}

function programsOf(path: string, text: string): DocumentProgram[] {
  const programs: DocumentProgram[] = [];
  for (const match of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, match.index).split("\n").length + 1;
    const block = match[1]!;
    const before = programs.at(-1);
    if (/^import /m.test(block) || before === undefined) {
      programs.push({ path, line, text: `${"\n".repeat(line - 1)}${block}` });
      continue;
    }
    const gap = "\n".repeat(Math.max(0, line - before.text.split("\n").length));
    programs[programs.length - 1] = { ...before, text: `${before.text}{${gap}${block}}` };
  }
  return programs;
}

/** Type-checks the programs as modules that lie in the repository's root; our packages are read from their sources. */
function compile(workspace: Workspace, programs: readonly DocumentProgram[]): Violation[] {
  const root = REPOSITORY_ROOT.pathname;
  const virtual = new Map<string, DocumentProgram>(
    programs.map((program, index) => [`${root}document-${index}.ts`, program]),
  );
  const options = compilerOptions(root);
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  const readFile = host.readFile.bind(host);
  host.fileExists = (name) => virtual.has(name) || fileExists(name);
  host.readFile = (name) => virtual.get(name)?.text ?? readFile(name);
  const packages = packagesOf(workspace);
  host.resolveModuleNameLiterals = (literals, containing, redirected) =>
    literals.map(({ text }) => {
      const source = packageSource(packages, text);
      if (source !== undefined) {
        return { resolvedModule: { resolvedFileName: root + source, extension: ts.Extension.Ts } };
      }
      const mode = ts.ModuleKind.ESNext;
      return ts.resolveModuleName(text, containing, options, host, undefined, redirected, mode);
    });
  const program = ts.createProgram([...virtual.keys()], options, host);
  return [...virtual].flatMap(([name, { path }]) => {
    const file = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ start = 0, messageText }) => ({
        path,
        line: (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1,
        message: `does not compile: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
      }),
    );
  });
}

function compilerOptions(root: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${root}tsconfig.base.json`, ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  // A short example may leave a variable for the reader to use.
  return { ...options, composite: false, noEmit: true, noUnusedLocals: false, noUnusedParameters: false };
}
