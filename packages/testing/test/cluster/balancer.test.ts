import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startBalancer } from "../../src/cluster/balancer.js";

/** A server that says its name to whoever writes. */
async function startNamed(name: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.write(name));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function ask(port: number) {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.write("?");
  const answer = Promise.race([
    once(socket, "data").then(([bytes]) => String(bytes)),
    once(socket, "close").then(() => "closed"),
  ]);
  return { socket, answer };
}

test("startBalancer() passes connections to one server after the other, and leaves out those that are away", async () => {
  const [first, second] = [await startNamed("first"), await startNamed("second")];
  let ports = [first, second];
  await using balancer = await startBalancer(() => ports);
  const answers = [await (await ask(balancer.port)).answer, await (await ask(balancer.port)).answer];
  expect(answers.sort()).toEqual(["first", "second"]);
  const nobody = 1;
  ports = [nobody, second];
  for (let time = 0; time < 2; time++) expect(await (await ask(balancer.port)).answer).toBe("second");
  ports = [];
  expect(await (await ask(balancer.port)).answer).toBe("closed");
});

test("silence() holds everything up and tells nobody; heal() lets it pass", async () => {
  const port = await startNamed("answer");
  await using balancer = await startBalancer(() => [port]);
  const before = await ask(balancer.port);
  expect(await before.answer).toBe("answer");
  balancer.silence();
  const during = await ask(balancer.port);
  before.socket.write("?");
  const again = once(before.socket, "data");
  let isAnswered = false;
  for (const answer of [during.answer, again]) {
    void answer.then(() => {
      isAnswered = true;
    });
  }
  // A round trip past the balancer takes longer than one through it would.
  expect(await (await ask(port)).answer).toBe("answer");
  expect(isAnswered).toBe(false);
  balancer.heal();
  expect(await during.answer).toBe("answer");
  expect(String((await again)[0])).toBe("answer");
});
