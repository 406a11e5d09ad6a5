import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "../../src/child.js";
import { type OAuthProvider, type PersonOptions, signInByHttp } from "../../src/oauth-provider.js";
import { type ProgramResult, runProgram } from "../../src/run-program.js";
import type { TemporaryFolder } from "../../src/temp.js";

/** `pullqueue auth` as people run it: processes, and a browser or somebody who does what one would. Needs the build. */

const COMMAND = fileURLToPath(new URL("../../../cli/bin/pullqueue.js", import.meta.url));

/** How long a process may take to say something, in milliseconds. */
const SAY_MS = 30_000;

/** What somebody's own credentials and servers must not change: the environment without a word of either. */
function bareEnvironment(folder: TemporaryFolder): Record<string, string | undefined> {
  const ours = Object.entries(process.env).filter(
    ([name]) => !/^(?:PULLQUEUE_|GOOGLE_|CLOUDSDK_|GCE_|BROWSER$|DISPLAY$|WAYLAND_)/.test(name),
  );
  return { ...Object.fromEntries(ours), HOME: folder.path };
}

/** Runs the command to its end. */
export function pullqueue(
  folder: TemporaryFolder,
  parameters: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const cleared = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
  return runProgram(process.execPath, [COMMAND, ...parameters], {
    environment: { ...cleared, ...bareEnvironment(folder), ...environment },
  });
}

/** A sign-in that waits for its browser. */
export interface WaitingLogin extends AsyncDisposable {
  readonly child: Child;
  /** The address that it printed. */
  readonly address: string;
}

/** Starts `auth login` and waits until it prints an address. Both its streams are read as one. */
export async function startLogin(
  folder: TemporaryFolder,
  parameters: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<WaitingLogin> {
  const command = [process.execPath, COMMAND, "auth", "login", ...parameters];
  const child = startChild("/bin/sh", ["-c", 'exec "$0" "$@" 2>&1', ...command], {
    environment: { ...bareEnvironment(folder), ...environment },
  });
  try {
    const [, address = ""] = await child.line(/^\s*(https?:\/\/\S+)$/, SAY_MS);
    return { child, address, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Signs in from the command to the file without a browser: somebody follows the address by hand. Returns the file's path. */
export async function signedIn(
  folder: TemporaryFolder,
  provider: OAuthProvider,
  person: PersonOptions = {},
): Promise<string> {
  const secrets = provider.writeClientSecrets(folder.file("client_secrets.json"));
  const credentials = folder.file("credentials.json");
  await using login = await startLogin(folder, [secrets, credentials]);
  const page = await fetch(await signInByHttp(login.address, person));
  const text = await page.text();
  const { code } = await login.child.exited(SAY_MS);
  if (code !== 0) throw new Error(`auth login ended with ${code}: ${text}`);
  return credentials;
}

/** A program for `BROWSER` that opens nothing, and the address with which it was called, if it was. */
export function recordingBrowser(folder: TemporaryFolder): {
  readonly program: string;
  readonly calledWith: () => string | undefined;
} {
  const [program, record] = [folder.file("browser"), folder.file("browser-call")];
  writeFileSync(program, `#!/bin/sh\nprintf '%s' "$1" > '${record}.new' && mv '${record}.new' '${record}'\n`);
  chmodSync(program, 0o755);
  return { program, calledWith: () => (existsSync(record) ? readFileSync(record, "utf8") : undefined) };
}
