import type { RedisSender } from "./redis-patience.js";

/** A socket that can hold back what is written to it. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

/** A client that shows the socket it writes to, while there is one. */
interface WritingSender extends RedisSender {
  readonly stream?: Corkable | undefined;
}

/**
 * Lets the commands of one turn of the event loop go to the socket in one piece: ioredis writes each by itself, and a write to a
 * socket costs more than all that is done for a command otherwise.
 */
export function gatherWrites(client: WritingSender): void {
  const send = client.sendCommand.bind(client);
  let held: Corkable | undefined;
  client.sendCommand = (command, stream) => {
    const socket = client.stream;
    if (socket !== undefined && socket !== held) {
      held = socket;
      socket.cork();
      process.nextTick(() => {
        held = undefined;
        socket.uncork();
      });
    }
    return send(command, stream);
  };
}
