import { createInterface } from "node:readline";
import { openCredentials } from "../../src/sources/open-credentials.js";

/**
 * A process that uses a credentials file: `node --import tsx token-user.ts FILE`. For each line N it refuses its token and asks for another,
 * N times, and says the last one, or the code of what went wrong.
 */

const credentials = openCredentials({ credentialsFile: process.argv[2]! });
let token = await credentials.getAccessToken();
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  try {
    for (let n = Number(line); n > 0; n--) token = await credentials.getAccessToken({ rejected: token });
    process.stdout.write(`token ${token}\n`);
  } catch (error) {
    process.stdout.write(`failed ${String((error as { code?: unknown }).code)} ${String(error)}\n`);
  }
}
await credentials.close();
