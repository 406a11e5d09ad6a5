// Brings a clone into a state in which things run: installs and builds what is missing or stale. No dependencies,
// because it runs before there are any.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository, with a slash at the end. */
export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The oldest Node that can `require` the packages' ES modules. Also in package.json. */
const NODE_MIN = [20, 19];

/** Installs (`npm ci`) when node_modules is not what the lock file says, and builds what changed. Ends the process when that fails. */
export async function prepare() {
  checkNode();
  if (!isInstalled()) {
    say(
      "installing dependencies; a minute or two, because SQLite is compiled where no built one can be fetched",
    );
    // JOBS: the compiler uses all cores.
    await step("npm ci", ...npm("ci", "--no-fund", "--no-audit"), {
      environment: { JOBS: "max" },
    });
  }
  const isFirst = !existsSync(join(ROOT, "packages/cli/dist"));
  if (isFirst) say("building");
  // Quick when nothing changed: the compiler compares times and contents by itself.
  await step("the build", process.execPath, [binary("typescript", "tsc"), "-b"]);
}

/**
 * Runs a command with our streams and resolves with its exit code (128 + n after a signal). One that is `apart` is in no terminal's group:
 * Ctrl-C reaches it through us, and nothing that it has started, so that it can end those in its own way.
 */
export function run(command, parameters, { environment = {}, apart = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, {
      cwd: ROOT,
      stdio: "inherit",
      env: { ...process.env, ...environment },
      detached: apart,
    });
    // Ctrl-C reaches the child by itself, unless it is apart; we stay until it has ended, and end as it did.
    let asked;
    const interrupt = () => {
      asked = 130;
      if (apart) child.kill("SIGINT");
    };
    process.on("SIGINT", interrupt);
    const end = () => {
      asked = 143;
      child.kill("SIGTERM");
    };
    process.on("SIGTERM", end);
    // The terminal has gone, or ends all that it knows of.
    process.on("SIGHUP", end);
    if (apart) process.on("SIGQUIT", end);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", end);
      process.off("SIGHUP", end);
      process.off("SIGQUIT", end);
      // npm calls it an error of its own when it was interrupted.
      resolve((code !== 0 && asked) || (code ?? (signal === "SIGINT" ? 130 : 143)));
    });
  });
}

/** The entry file of an installed tool, so that it runs without npm in between. */
export function binary(packageName, command = packageName) {
  const folder = join(ROOT, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin[command]);
}

/** A line about what is going on, apart from what the program itself prints. */
export function say(text) {
  process.stderr.write(`pullqueue: ${text}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  say(
    `Node ${NODE_MIN.join(".")} or newer is needed, this is ${process.versions.node}. See https://nodejs.org`,
  );
  process.exit(1);
}

/** Whether node_modules holds every package that the lock file demands, in its version. */
function isInstalled() {
  const installed = readLock("node_modules/.package-lock.json");
  const demanded = readLock("package-lock.json");
  if (installed === undefined || demanded === undefined) return false;
  return Object.entries(demanded.packages).every(
    ([path, { version, optional, link }]) =>
      path === "" || optional || link || installed.packages[path]?.version === version,
  );
}

function readLock(name) {
  const path = join(ROOT, name);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** npm as it was called, or the one on the PATH. */
export function npm(...parameters) {
  const path = process.env.npm_execpath;
  return path?.endsWith(".js") ? [process.execPath, [path, ...parameters]] : ["npm", parameters];
}

async function step(name, command, parameters, options) {
  const startedMs = performance.now();
  const code = await run(command, parameters, options);
  if (code !== 0) {
    say(`${name} failed; its messages are above`);
    process.exit(code);
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  if (seconds > 2) say(`${name} took ${seconds} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await prepare();
