// Appends each request's body to a file and answers when it is on disk. Usage: node sync-server.mjs FILE
import { open } from "node:fs/promises";
import { createServer } from "node:http";

const file = await open(process.argv[2], "a");
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  await file.appendFile(Buffer.concat(chunks));
  await file.datasync();
  response.end();
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});
