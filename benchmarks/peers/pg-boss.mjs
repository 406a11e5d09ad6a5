// pg-boss on PostgreSQL: jobs are inserted, fetched and completed in batches (--batch, --prefetch), --inflight and --concurrency of them at a time.
import pg from "pg";
import PgBoss from "pg-boss";
import { runContender } from "./contract.mjs";

await runContender(async ({ url, queue, prefetch, concurrency }) => {
  const boss = new PgBoss({ connectionString: url, max: 10 });
  boss.on("error", (error) => process.stderr.write(`${error.message}\n`));
  await boss.start();
  await boss.createQueue(queue);
  return {
    prepare: () => boss.purgeQueue(queue),
    publish: (message) => boss.send(queue, message),
    publishMany: (messages) => boss.insert(messages.map((data) => ({ name: queue, data }))),
    async receive(onMessage, onSettled, count) {
      // As the database does by itself within a minute; without it, fetching from a table that has just been filled reads all of it.
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query("ANALYZE");
      await client.end();
      let left = count;
      const loop = async () => {
        while (left > 0) {
          const jobs = await boss.fetch(queue, { batchSize: prefetch });
          if (jobs.length === 0) return;
          left -= jobs.length;
          for (const { data } of jobs) onMessage(data);
          await boss.complete(
            queue,
            jobs.map(({ id }) => id),
          );
          onSettled(jobs.length);
        }
      };
      void Promise.all(Array.from({ length: concurrency }, loop));
    },
    close: () => boss.stop({ graceful: false, wait: false }),
  };
});
