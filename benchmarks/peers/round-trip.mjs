// The least that a durable broker over HTTP costs: one round trip of Node's own HTTP with one append and one fdatasync in between.
import { Agent, request } from "node:http";
import { runContender } from "./contract.mjs";

await runContender(async ({ url, inflight }) => {
  const agent = new Agent({ keepAlive: true, maxSockets: inflight, noDelay: true });
  return {
    prepare: async () => {},
    publish: (message) =>
      new Promise((resolve, reject) => {
        const call = request(url, { method: "POST", agent }, (answer) => {
          answer.resume().on("end", resolve);
        });
        call.on("error", reject).end(JSON.stringify(message));
      }),
    close: async () => agent.destroy(),
  };
});
