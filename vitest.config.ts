import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const packages = fileURLToPath(new URL("./packages/", import.meta.url));

/** Tests read the packages' sources, so that no build can be stale under them. */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^@pullqueue\/([a-z]+)$/, replacement: `${packages}$1/src/index.ts` },
      { find: /^@pullqueue\/([a-z]+)\/conformance$/, replacement: `${packages}$1/src/conformance/index.ts` },
      { find: /^@pullqueue\/([a-z]+)\/(.+)$/, replacement: `${packages}$1/src/$2.ts` },
    ],
  },
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    // Far more than any test takes by itself: on a busy machine starting a process alone takes seconds.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Reading the sources anew for each of three hundred files took as long as a seventh of all tests.
    isolate: false,
    // Vitest leaves one core free, but most tests wait for sockets, files and other processes.
    maxWorkers: availableParallelism() + 1,
    // Cases that wait for time to pass do so side by side.
    maxConcurrency: 10,
  },
});
