import { systemClock } from "@pullqueue/core";

/** A command of ioredis, by what is used of it. */
interface RedisCommand {
  readonly promise: Promise<unknown>;
  reject(error: Error): void;
}

/** What sends commands: ioredis sends its own this way too. */
export interface RedisSender {
  sendCommand(command: RedisCommand, stream?: unknown): unknown;
}

/** How late a timer may be, in milliseconds, before the reason is that the event loop was blocked. */
const LATE_MS = 50;
const US_PER_MS = 1000;

/** The machine's time, whatever clock the messages have. */
const clock = systemClock();

/**
 * Lets commands fail that the server does not answer in time. What ioredis has for that (`commandTimeout`) takes a server for gone whose answers could
 * not be read because the event loop was blocked; here that time does not count.
 */
export function limitAnswers(client: RedisSender, timeoutMs: number): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    watch(command, timeoutMs);
    return send(command, stream);
  };
}

function watch(command: RedisCommand, timeoutMs: number): void {
  let isOver = false;
  let cancel = () => {};
  const wait = () => {
    const dueUs = clock.nowUs() + timeoutMs * US_PER_MS;
    cancel = clock.timer(timeoutMs, () => {
      // What has arrived meanwhile is read before anything else is done.
      if (clock.nowUs() - dueUs > LATE_MS * US_PER_MS) wait();
      else setImmediate(() => isOver || command.reject(new Error(`no answer within ${timeoutMs} ms`)));
    });
  };
  const end = () => {
    isOver = true;
    cancel();
  };
  wait();
  command.promise.then(end, end);
}
