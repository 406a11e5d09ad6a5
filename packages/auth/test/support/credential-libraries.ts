import { fileURLToPath } from "node:url";
import { runProgram } from "@pullqueue/testing/run-program";

const PROGRAM = fileURLToPath(new URL("../fixtures/credential-libraries.py", import.meta.url));

/** What one of the Python libraries says of a file, or does with it. */
export async function python(
  command: string,
  ...parameters: readonly string[]
): Promise<Readonly<Record<string, unknown>>> {
  const { code, stdout, stderr } = await runProgram("/usr/bin/python3", [PROGRAM, command, ...parameters]);
  if (code !== 0) throw new Error(`${command} ended with ${code}\n${stderr}`);
  return JSON.parse(stdout);
}
