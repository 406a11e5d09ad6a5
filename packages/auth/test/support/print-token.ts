import { openCredentials } from "../../src/sources/open-credentials.js";

/** Prints a token of a file, or the error: `node --import tsx print-token.ts FILE`. */

const credentials = openCredentials({ credentialsFile: process.argv[2]! });
try {
  process.stdout.write(`${await credentials.getAccessToken()}\n`);
} catch (error) {
  process.stdout.write(`${String((error as { code?: unknown }).code)}: ${String(error)}\n`);
}
await credentials.close();
