import type { PostgresInstance } from "../postgres-instance.js";
import type { Prng } from "../prng.js";
import type { Disturbance } from "./disturbances.js";

/** What goes wrong with the database. */
export function postgresDisturbances(
  postgres: PostgresInstance,
  { chance }: { readonly chance: Prng },
): readonly Disturbance[] {
  const restart = async (stop: () => Promise<void>) => {
    await stop();
    await postgres.start();
  };
  return [
    {
      name: "half of the sessions are terminated",
      disturb: async () => void (await postgres.terminateSessions(50, chance)),
    },
    {
      name: "all sessions are terminated",
      disturb: async () => void (await postgres.terminateSessions(100, chance)),
    },
    { name: "the database is restarted", disturb: () => restart(() => postgres.stop("fast")) },
    { name: "the database is stopped at once", disturb: () => restart(() => postgres.stop("immediate")) },
    { name: "the database is killed", disturb: () => restart(() => postgres.kill9()) },
  ];
}
