import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { undoAtExit } from "./until-exit.js";

/** A folder of its own for a test, gone at the end of the scope: `using folder = temporaryFolder()`. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
  /** The path of a file in the folder; nothing is created. */
  file(name: string): string;
}

/** Makes an empty folder below the system's folder for temporary files. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "pullqueue-test-"));
  const remove = () => rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  const forget = undoAtExit(remove);
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => {
      remove();
      forget();
    },
  };
}
