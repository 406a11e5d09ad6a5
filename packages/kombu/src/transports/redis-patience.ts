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
 * not be read because the event loop was blocked; here that time does not count. One timer stands for all, because most are answered long before.
 */
export function limitAnswers(client: RedisSender, timeoutMs: number): void {
  const send = client.sendCommand.bind(client);
  const unanswered = new Unanswered(timeoutMs);
  client.sendCommand = (command, stream) => {
    unanswered.add(command);
    return send(command, stream);
  };
}

/** Commands on their way, oldest first. */
class Unanswered {
  readonly #timeoutMs: number;
  /** Each with the time by which there must be an answer. */
  readonly #dueUs = new Map<RedisCommand, number>();
  #isWatched = false;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  add(command: RedisCommand): void {
    const dueUs = clock.nowUs() + this.#timeoutMs * US_PER_MS;
    this.#dueUs.set(command, dueUs);
    const end = () => void this.#dueUs.delete(command);
    command.promise.then(end, end);
    this.#watch();
  }

  #watch(): void {
    const [oldestUs] = this.#dueUs.values();
    if (oldestUs === undefined || this.#isWatched) return;
    this.#isWatched = true;
    clock.timer(Math.max(0, (oldestUs - clock.nowUs()) / US_PER_MS), () => this.#look(oldestUs));
  }

  #look(expectedUs: number): void {
    const isLate = clock.nowUs() - expectedUs > LATE_MS * US_PER_MS;
    if (isLate) this.#beginAnew();
    // What has arrived meanwhile is read before anything else is done.
    setImmediate(() => {
      if (!isLate) this.#rejectLate();
      this.#isWatched = false;
      this.#watch();
    });
  }

  #beginAnew(): void {
    const dueUs = clock.nowUs() + this.#timeoutMs * US_PER_MS;
    for (const command of this.#dueUs.keys()) this.#dueUs.set(command, dueUs);
  }

  #rejectLate(): void {
    const nowUs = clock.nowUs();
    for (const [command, dueUs] of this.#dueUs) {
      if (dueUs > nowUs) return; // All others are younger.
      command.reject(new Error(`no answer within ${this.#timeoutMs} ms`));
    }
  }
}
