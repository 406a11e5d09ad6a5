import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** The folder that the server may make for itself: every other one is the user's to make. */
const OWN_FOLDER = ".pullqueue";

/** Makes the folder of a file when it is our own. Tasks may hold secrets: nobody else may look into it. */
export async function makeOwnFolder(path: string): Promise<void> {
  const folder = dirname(path);
  if (basename(folder) === OWN_FOLDER) await mkdir(folder, { recursive: true, mode: 0o700 });
}
