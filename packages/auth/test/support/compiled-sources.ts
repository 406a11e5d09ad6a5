import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type TemporaryFolder, temporaryFolder } from "@pullqueue/testing";
import ts from "typescript";

const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));

/** The sources of this package as JavaScript that a process of a test can run: made anew, so that no build can be stale under it. */
export interface CompiledSources extends Disposable {
  readonly folder: TemporaryFolder;
  /** Parameters for `node` that run a program; `{{files}}` in its text stands for the folder `src/files`. */
  program(name: string, text: string): readonly string[];
}

/** Compiles the sources, without what needs other packages. */
export function compileSources(): CompiledSources {
  const folder = temporaryFolder();
  writeFileSync(folder.file("package.json"), '{"type": "module"}');
  for (const name of readdirSync(SOURCES, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(SOURCES, name), "utf8"), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    const target = folder.file(name.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
  }
  return {
    folder,
    program(name, text) {
      const path = folder.file(name);
      writeFileSync(path, text.replaceAll("{{files}}", pathToFileURL(folder.file("files")).href));
      return [path];
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
