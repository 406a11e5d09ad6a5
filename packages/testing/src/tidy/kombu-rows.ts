import ts from "typescript";
import { filesOf, parse, REPOSITORY_ROOT, type Violation, type Workspace, walk } from "./workspace.js";

/** The documents that hold this library against Python's kombu, row by row, and the rule that holds them against the sources. */

const FEATURES = "docs/kombu-features.md";
const BEHAVIOURS = "docs/kombu-behaviours.md";

/** How many rows each chapter has: kombu's features, of which none may go without a word. */
const FEATURE_ROWS: Readonly<Record<string, number>> = {
  Connection: 34,
  Channel: 8,
  Exchange: 10,
  "Queue and binding": 11,
  Producer: 17,
  Consumer: 14,
  Worker: 5,
  Message: 6,
  SimpleQueue: 6,
  Pools: 6,
  common: 9,
  pidbox: 6,
  "Clocks and matcher": 3,
  Serialization: 11,
  Compression: 7,
  "Delayed delivery": 3,
  Exceptions: 2,
  utils: 6,
};

/** The checks of kombu's own suite, and those that a port should add, are numbered. */
const BEHAVIOUR_COUNT = 65;

/** What is missing says why, and needs no test. */
const IS_MISSING = /^(?:not yet|left out): ./;

/** A name in code: of an export, or of a member of one. */
const NAME = /^(\w+)(?:\.(\w+))?(?:\(\))?$/;

/** One row: what kombu has, what it is here, and which tests prove it. */
interface Row {
  readonly path: string;
  readonly line: number;
  readonly chapter: string;
  readonly theirs: string;
  readonly ours: string;
  /** `file: title` each. */
  readonly proofs: readonly { readonly text: string; readonly line: number }[];
}

/** Each row of docs/kombu-features.md names what is public and tests that are there; none has gone. */
export function kombuFeatures(workspace: Workspace): Violation[] {
  const rows = rowsOf(workspace, FEATURES);
  const names = readPublicNames();
  const tests = titles(workspace);
  return [
    ...wrongCounts(rows),
    ...rows.flatMap((row) => unknownNames(row, names)),
    ...rows.flatMap((row) => wrongProofs(row, tests)),
  ];
}

/** Each row of docs/kombu-behaviours.md has a number and tests that are there; none has gone. */
export function kombuBehaviours(workspace: Workspace): Violation[] {
  const rows = rowsOf(workspace, BEHAVIOURS);
  const numbers = rows.map(({ theirs }) => Number.parseInt(theirs.replace("**", ""), 10));
  const isWhole = numbers.length === BEHAVIOUR_COUNT && numbers.every((number, at) => number === at + 1);
  const gone = { path: BEHAVIOURS, line: 1, message: `must have the rows 1 to ${BEHAVIOUR_COUNT}, in order` };
  const tests = titles(workspace);
  return [...(isWhole ? [] : [gone]), ...rows.flatMap((row) => wrongProofs(row, tests))];
}

function rowsOf(workspace: Workspace, path: string): readonly Row[] {
  const rows: Row[] = [];
  let chapter = "";
  for (const [index, text] of (workspace.get(path) ?? "").split("\n").entries()) {
    const line = index + 1;
    const [, heading] = /^## (.+)$/.exec(text) ?? [];
    const [, theirs, ours = ""] = /^- (.+?)(?: → (.*))?$/.exec(text) ?? [];
    const [, proof] = /^ {2}- (.+)$/.exec(text) ?? [];
    if (heading !== undefined) chapter = heading;
    if (theirs !== undefined) rows.push({ path, line, chapter, theirs, ours, proofs: [] });
    const last = rows.at(-1);
    if (proof !== undefined && last !== undefined) {
      rows[rows.length - 1] = { ...last, proofs: [...last.proofs, { text: proof, line }] };
    }
  }
  return rows;
}

function wrongCounts(rows: readonly Row[]): Violation[] {
  return Object.entries(FEATURE_ROWS).flatMap(([chapter, count]) => {
    const there = rows.filter((row) => row.chapter === chapter);
    const names = new Set(there.map(({ theirs }) => theirs));
    if (there.length === count && names.size === count) return [];
    const message = `chapter ${chapter} must have ${count} rows, each once; it has ${there.length}`;
    return [{ path: FEATURES, line: there[0]?.line ?? 1, message }];
  });
}

function unknownNames(
  { path, line, ours }: Row,
  names: ReadonlyMap<string, ReadonlySet<string>>,
): Violation[] {
  return [...ours.matchAll(/`([^`]+)`/g)].flatMap(([, text = ""]) => {
    const [, name = "", member] = NAME.exec(text) ?? [];
    const members = names.get(name);
    if (members !== undefined && (member === undefined || members.has(member))) return [];
    return [{ path, line, message: `${text} is not public in @pullqueue/kombu` }];
  });
}

function wrongProofs(row: Row, known: ReadonlyMap<string, ReadonlySet<string>>): Violation[] {
  const { path, line, theirs, ours, proofs } = row;
  if (proofs.length === 0 && !IS_MISSING.test(ours)) {
    return [
      { path, line, message: `${theirs} has no test, and does not say "not yet: why" or "left out: why"` },
    ];
  }
  return proofs.flatMap((proof) => {
    const [, file = "", title = ""] = /^([\w.-]+): (.+)$/.exec(proof.text) ?? [];
    if (known.get(file)?.has(title) === true) return [];
    return [{ path, line: proof.line, message: `there is no test ${JSON.stringify(title)} in ${file}` }];
  });
}

/** The texts of test files, in which titles are found, by the files' names without folder and ending. */
function titles(workspace: Workspace): ReadonlyMap<string, ReadonlySet<string>> {
  const isTestFile = (path: string) =>
    /^packages\/(?:kombu|testing)\/test\/.*\.test\.ts$|^packages\/kombu\/src\/conformance\/.*-cases\.ts$/.test(
      path,
    );
  const found = new Map<string, Set<string>>();
  for (const [path, text] of filesOf(workspace, isTestFile)) {
    const name = path.replace(/^.*\//, "").replace(/\.ts$/, "");
    const texts = found.get(name) ?? new Set();
    found.set(name, texts);
    walk(parse(path, text), (node) => {
      if (ts.isStringLiteralLike(node)) texts.add(node.text);
      // What is filled in stands as an ellipsis.
      if (ts.isTemplateExpression(node)) {
        texts.add(
          [node.head, ...node.templateSpans.map(({ literal }) => literal)].map(({ text }) => text).join("…"),
        );
      }
    });
  }
  return found;
}

/** What @pullqueue/kombu exports, each with the names of its members. */
function readPublicNames(): ReadonlyMap<string, ReadonlySet<string>> {
  const root = REPOSITORY_ROOT.pathname;
  const { config } = ts.readConfigFile(`${root}tsconfig.base.json`, ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const index = `${root}packages/kombu/src/index.ts`;
  const program = ts.createProgram([index], { ...options, composite: false, noEmit: true });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(index)!)!;
  return new Map(
    checker.getExportsOfModule(module).map((symbol) => [symbol.name, membersOf(checker, symbol)]),
  );
}

/** Members of instances, and static ones. */
function membersOf(checker: ts.TypeChecker, symbol: ts.Symbol): ReadonlySet<string> {
  const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
  const target = isAlias ? checker.getAliasedSymbol(symbol) : symbol;
  const types = [checker.getDeclaredTypeOfSymbol(target), checker.getTypeOfSymbol(target)];
  return new Set(types.flatMap((type) => checker.getPropertiesOfType(type)).map(({ name }) => name));
}
