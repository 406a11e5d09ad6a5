import { fileURLToPath } from "node:url";

/** Programs that tests run as processes of their own; `src/programs` has their sources. */
export type ProgramName =
  | "amqp-holder"
  | "graceful-worker"
  | "blocking-consumer"
  | "lease-worker"
  | "many-connections"
  | "outage-consumers"
  | "put-and-get"
  | "soak-client"
  | "soak-server"
  | "sqlite-server"
  | "transport-worker";

/** The built file of a program, for `node`. Needs the build (`npm run build`). */
export function programPath(name: ProgramName): string {
  return fileURLToPath(new URL(`../dist/programs/${name}.js`, import.meta.url));
}
