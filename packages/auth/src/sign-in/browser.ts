import { type ChildProcess, spawn } from "node:child_process";

/** A program with its arguments; no shell ever sees them. */
export interface BrowserCommand {
  readonly program: string;
  readonly parameters: readonly string[];
}

/** Where the browser is looked for. */
export interface BrowserSurroundings {
  readonly platform?: NodeJS.Platform;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Opens an address in the person's browser, if there is one. Says nothing of whether it worked, beyond the programs that it tried: the address is
 * printed too, and a browser may fail in ways that nobody hears of. Never waits for the browser to end, and never keeps the process alive.
 */
export async function openInBrowser(
  address: string,
  surroundings: BrowserSurroundings = {},
): Promise<boolean> {
  for (const command of browserCommands(address, surroundings)) {
    if (await runs(command, surroundings.env ?? process.env)) return true;
  }
  return false;
}

/**
 * What is tried, in this order: the programs of `BROWSER` (several are parted by colons, `%s` stands for the address), then the system's
 * way. On Linux without a display there is none: a text browser would take the terminal over.
 */
export function browserCommands(
  address: string,
  { platform = process.platform, env = process.env }: BrowserSurroundings = {},
): readonly BrowserCommand[] {
  if (!/^https?:\/\//.test(address)) return [];
  // Windows knows no such variable, and its paths have colons.
  if (platform === "win32") {
    const program = `${env.SystemRoot ?? "C:\\Windows"}\\System32\\rundll32.exe`;
    return [{ program, parameters: ["url.dll,FileProtocolHandler", address] }];
  }
  const wished = (env.BROWSER ?? "").split(":").flatMap((text) => wishedCommand(text, address));
  if (platform === "darwin") return [...wished, { program: "open", parameters: [address] }];
  const hasDisplay = Boolean(env.DISPLAY) || Boolean(env.WAYLAND_DISPLAY);
  return hasDisplay ? [...wished, { program: "xdg-open", parameters: [address] }] : wished;
}

function wishedCommand(text: string, address: string): BrowserCommand[] {
  const [program, ...parameters] = text.split(/\s+/).filter((word) => word !== "");
  if (program === undefined) return [];
  const filled = parameters.map((word) => word.replaceAll("%s", address));
  return [{ program, parameters: text.includes("%s") ? filled : [...filled, address] }];
}

/** Resolves with false where the program cannot be started or ends with an error: as soon as it ends, never before it has begun. */
function runs(
  { program, parameters }: BrowserCommand,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(program, parameters, { stdio: "ignore", detached: true, windowsHide: true, env });
    } catch {
      // A name with a null character, for instance; the next one may do.
      resolve(false);
      return;
    }
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
    child.unref();
  });
}
