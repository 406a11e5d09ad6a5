import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** What anybody gets who installs our packages. Needs the build, npm, and packages that npm has in its cache or can fetch. */

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FOLDERS = ["core", "auth", "kombu", "server", "cli"] as const;

/** Packing and installing: npm reads and writes some hundred files, perhaps over a network. */
const INSTALL_MS = 180_000;

interface PackedPackage {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const folder = temporaryFolder();
let packed: readonly PackedPackage[] = [];

beforeAll(async () => {
  packed = await pack();
  writeFileSync(folder.file("package.json"), '{ "name": "somebody-else", "private": true }');
  await npm(
    "install",
    ...packed.map(({ filename }) => folder.file(filename)),
    // SQLite's binary was compiled once for the repository; compiling it again would show nothing new.
    ...["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"],
  );
}, INSTALL_MS);

afterAll(() => folder[Symbol.dispose]());

async function npm(...parameters: string[]): Promise<string> {
  const result = await runProgram("npm", parameters, { cwd: folder.path, timeoutMs: INSTALL_MS });
  if (result.code !== 0) throw new Error(`npm ${parameters[0]} failed: ${result.stderr}`);
  return result.stdout;
}

async function pack(): Promise<PackedPackage[]> {
  const folders = FOLDERS.map((name) => join(ROOT, "packages", name));
  return JSON.parse(await npm("pack", ...folders, "--json", "--ignore-scripts")) as PackedPackage[];
}

/** Runs JavaScript in the empty project. */
function node(...parameters: string[]) {
  return runProgram(process.execPath, parameters, { cwd: folder.path });
}

/** Every subpath that a package exports, as it is imported, but for its manifest. */
function specifiers(name: string): string[] {
  const manifest = readFileSync(folder.file(`node_modules/${name}/package.json`), "utf8");
  const { exports = {} } = JSON.parse(manifest) as { exports?: Record<string, unknown> };
  return Object.keys(exports)
    .filter((subpath) => subpath !== "./package.json")
    .map((subpath) => name + subpath.slice(1));
}

describe("packages", () => {
  test("npm pack leaves out sources, tests and what the compiler keeps for itself", () => {
    expect(packed.map(({ name }) => name).sort()).toEqual([
      "@pullqueue/auth",
      "@pullqueue/core",
      "@pullqueue/kombu",
      "@pullqueue/server",
      "pullqueue",
    ]);
    for (const { files } of packed) {
      const paths = files.map(({ path }) => path);
      expect(paths).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json"]));
      expect(paths.filter((path) => /(^|\/)(src|test)\/|\.test\.|tsbuildinfo|\.tgz$/.test(path))).toEqual([]);
      expect(paths.some((path) => path.startsWith("dist/"))).toBe(true);
    }
  });

  test("source maps carry the sources that are left out", () => {
    const map = readFileSync(folder.file("node_modules/@pullqueue/core/dist/index.js.map"), "utf8");
    expect((JSON.parse(map) as { sourcesContent?: string[] }).sourcesContent?.[0]).toContain("QueueStore");
  });

  test("publint finds nothing to complain about", async () => {
    const complaints: string[] = [];
    for (const { name, filename } of packed) {
      const bytes = new Uint8Array(readFileSync(folder.file(filename)));
      const { messages, pkg } = await publint({
        pkgDir: "package",
        pack: { tarball: bytes.buffer },
        strict: true,
      });
      for (const message of messages)
        complaints.push(`${name}: ${formatMessage(message, pkg) ?? message.code}`);
    }
    expect(complaints).toEqual([]);
  });

  test("import and require give the same module, for every subpath", async () => {
    const names = packed.flatMap(({ name }) => specifiers(name));
    expect(names).toContain("@pullqueue/core/conformance");
    writeFileSync(
      folder.file("both.mjs"),
      `import { createRequire } from "node:module";
       const require = createRequire(import.meta.url);
       for (const name of ${JSON.stringify(names)}) {
         const [imported, required] = [await import(name), require(name)];
         if (imported !== required) throw new Error(name + " is loaded twice");
         if (Object.keys(imported).length === 0) throw new Error(name + " exports nothing");
       }
       console.log("same");`,
    );
    const { stdout, stderr } = await node("both.mjs");
    expect(stderr.replace(/^.*ExperimentalWarning.*\n.*\n/m, "")).toBe("");
    expect(stdout).toBe("same\n");
  });

  test("the first program of the README runs", async () => {
    await using server = await startServerProcess();
    const [, program = ""] =
      /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? [];
    expect(program).toContain("@pullqueue/kombu");
    writeFileSync(folder.file("readme.mjs"), program);
    const { stdout, stderr, code } = await runProgram(process.execPath, ["readme.mjs"], {
      cwd: folder.path,
      environment: { PULLQUEUE_ENDPOINT: server.url },
    });
    expect({ stdout, stderr, code }).toEqual({ stdout: "{ message: 'hello' }\n", stderr: "", code: 0 });
  });

  test("the thread that renews leases is found, and works while the event loop is blocked", async () => {
    await using server = await startServerProcess();
    writeFileSync(
      folder.file("blocked.mjs"),
      `import { Connection } from "@pullqueue/kombu";
       const url = process.argv[2].replace("http", "appengine") + "/p?lease_secs=2";
       const connection = new Connection(url);
       const queue = connection.simpleQueue("work");
       await queue.put("hi");
       const message = await queue.get();
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6500);
       await message.ack();
       console.log(message.payload, message.signal.aborted);
       await connection.close();`,
    );
    const { stdout, stderr } = await node("blocked.mjs", server.url);
    expect({ stdout, stderr }).toEqual({ stdout: "hi false\n", stderr: "" });
  });

  test.each(["pullqueue", "pullqueue_authenticate"])(
    "the command %s is installed and runs",
    async (command) => {
      expect(readdirSync(folder.file("node_modules/.bin"))).toContain(command);
      const { stdout, code } = await runProgram("npx", ["--no-install", command, "--help"], {
        cwd: folder.path,
      });
      expect(stdout).toMatch(new RegExp(`^Usage: ${command} `));
      expect(code).toBe(0);
    },
  );
});
