#!/usr/bin/env node
// Committed, because npm links commands at install, before anything is built. Everything else is in src/authenticate.ts.
import { existsSync } from "node:fs";

const MAIN = new URL("../dist/authenticate.js", import.meta.url);

if (existsSync(MAIN)) {
  const { authenticate } = await import(MAIN.href);
  process.exitCode = await authenticate();
} else {
  process.stderr.write("pullqueue_authenticate: it is not built yet: run npm run build first\n");
  process.exitCode = 1;
}
