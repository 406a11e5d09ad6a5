import type { ServerProcess } from "./server.js";
import { CALM, stormyWeather } from "./weather.js";
import type { World } from "./world.js";

/** How long a storm lasts, in milliseconds. */
const STORM_MS = { low: 30_000, high: 180_000 };

/** Statements after which a server dies in the middle of something. */
const STATEMENTS_MAX = 60;

/** Longest time until a dead process is started again, in milliseconds. */
const RESTART_MS_MAX = 12_000;

/** Lets everything go wrong that may: the network, servers, clients, clocks. Ends with all servers up and the network calm. */
export async function storm(world: World): Promise<void> {
  const { chance, network, time } = world;
  const stormMs = chance.integer(STORM_MS.low, STORM_MS.high);
  const endMs = time.elapsedMs + stormMs;
  network.weather = stormyWeather(chance);
  const next = () =>
    time.after(chance.integer(500, 15_000), () => {
      if (time.elapsedMs >= endMs) return;
      strike(world);
      next();
    });
  next();
  await time.pass(stormMs, () => world.books.complaints.length > 0);
  network.weather = CALM;
  network.isSteady = true;
  for (const server of world.servers) server.crashSoon(Number.POSITIVE_INFINITY);
  // The last restarts are under way.
  await time.pass(RESTART_MS_MAX * 2);
}

function strike(world: World): void {
  const { chance, network } = world;
  const [server, player] = [pick(world, world.servers), pick(world, world.players)];
  switch (chance.pick(["weather", "weather", "server", "server", "server", "client", "clock"])) {
    case "weather":
      network.weather = chance.integer(0, 2) === 0 ? CALM : stormyWeather(chance);
      world.trace.add("world", `weather ${JSON.stringify(network.weather)}`);
      break;
    case "server":
      if (server !== undefined) endServer(world, server);
      break;
    case "client":
      if (player !== undefined) world.replacePlayer(player, chance.integer(100, RESTART_MS_MAX));
      break;
    case "clock":
      player?.client.clock.jump(chance.integer(1, 600_000));
  }
}

function pick<T>({ chance }: World, values: readonly T[]): T | undefined {
  return values.length === 0 ? undefined : chance.pick(values);
}

/** A server ends, in peace or not, and comes back. */
function endServer(world: World, server: ServerProcess): void {
  const { chance, time, storage } = world;
  const restart = () => {
    time.after(chance.integer(100, RESTART_MS_MAX), () => {
      // One that was doomed twice comes back once.
      if (world.servers.some(({ name }) => name === server.name)) return;
      world
        .startServer(server.name)
        .catch((error: unknown) => world.books.complain(`a start failed: ${String(error)}`));
    });
  };
  const isPeaceful = storage.kind === "memory" || chance.integer(0, 2) === 0;
  if (isPeaceful) {
    world.trace.add(server.name, "is stopped");
    server.stop().then(restart, (error: unknown) => world.books.complain(`a stop failed: ${String(error)}`));
    return;
  }
  server.onEnd(restart);
  if (chance.integer(0, 1) === 0) server.crash();
  else server.crashSoon(chance.integer(1, STATEMENTS_MAX));
}
