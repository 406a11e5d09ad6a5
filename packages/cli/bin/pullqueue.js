#!/usr/bin/env node
// Committed, because npm links commands at install, before anything is built. Everything else is in src/main.ts.
import { existsSync } from "node:fs";

const MAIN = new URL("../dist/main.js", import.meta.url);

if (existsSync(MAIN)) {
  const { main } = await import(MAIN.href);
  process.exitCode = await main();
} else {
  process.stderr.write("pullqueue: it is not built yet: run npm run build first\n");
  process.exitCode = 1;
}
