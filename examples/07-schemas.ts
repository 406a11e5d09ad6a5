// A queue whose payloads are checked on both ends, with types that follow from the schema. zod here; any library with
// Standard Schema will do.
import { Connection, isKombuError, Queue } from "@pullqueue/kombu";
import { z } from "zod";

const visits = new Queue("visits", {
  schema: z.object({
    at: z.iso.datetime().transform((text) => new Date(text)),
    guests: z.int().default(1),
  }),
});

await using connection = new Connection("memory://house");
const queue = connection.simpleQueue(visits);
await queue.put({ at: "2026-11-28T10:00:00Z" });

const message = await queue.get({ timeoutMs: 1_000 });
const { at, guests } = message.payload; // a Date and a number
console.log(guests, "guest in", at.getUTCFullYear());
await message.ack();

try {
  await queue.put({ at: "tomorrow" }); // refused before anything is sent
} catch (error) {
  if (!isKombuError(error, "schema_mismatch")) throw error;
  for (const { path, message: text } of error.issues ?? []) console.log("refused:", path, text);
}
