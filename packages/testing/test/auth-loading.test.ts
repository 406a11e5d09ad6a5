import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";

/** What is loaded by whom: programs that have no use for credentials files do not pay for them. Needs the build. */

const KOMBU = new URL("../../kombu/dist/index.js", import.meta.url).href;
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Refuses to find packages that sign in. */
const HOOK = `export async function resolve(name, context, next) {
  if (/^(?:@pullqueue\\/auth|google-auth-library|jose)$/.test(name)) throw new Error("loads " + name);
  return next(name, context);
}`;

const REGISTER = `import { register } from "node:module";
register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(HOOK))});`;

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess();
});
afterAll(() => server?.stop());

/** Publishes a message in a process that cannot load what signs in. */
function publish(options: string) {
  const program = `const { Connection } = await import(${JSON.stringify(KOMBU)});
    const transportOptions = { projectName: "p", endpoint: ${JSON.stringify(server.url)}, ${options} };
    const connection = new Connection({ transport: "appengine", transportOptions });
    await connection.simpleQueue("q").put("m");
    await connection.close();
    console.log("published");`;
  const hook = `data:text/javascript,${encodeURIComponent(REGISTER)}`;
  return runProgram(process.execPath, ["--import", hook, "--input-type=module", "-e", program], {
    cwd: ROOT,
  });
}

describe("the transport appengine", () => {
  test.each(["", 'accessToken: "t"', 'tokenSource: { getAccessToken: async () => "t" }'])(
    "publish() with {%s} loads nothing that signs in",
    async (options) => {
      const { code, stdout, stderr } = await publish(options);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "published\n", stderr: "" });
    },
  );

  test("publish() with a credentials file loads @pullqueue/auth, which shows that this would be seen", async () => {
    const { code, stderr } = await publish('credentialsFile: "/nowhere.json"');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("loads @pullqueue/auth") });
  });
});
