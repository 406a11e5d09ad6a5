import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { describeMachine } from "./benchmark.js";
import { othersMeter } from "./cpu-time.js";
import { MissingError, type Places, programPath } from "./places.js";
import type { Contender, Figures, Question, Value } from "./question.js";
import type { Answer } from "./summary.js";

/** What the command line says of a run. */
export interface RunOptions {
  readonly rounds: number;
  /** Instead of the question's own. */
  readonly messages: number | undefined;
  readonly values: readonly string[] | undefined;
  readonly only: readonly string[] | undefined;
  readonly payloadBytes: number;
  /** A first answer in short time: the values of goals, fewer messages. */
  readonly quick: boolean;
  /** As it was typed. */
  readonly command: string;
  /** Told what goes on. */
  readonly say: (line: string) => void;
  /** Ends it between two measurements, with the signal's reason. */
  readonly signal: AbortSignal;
}

/** A quick run takes one message of so many, but not fewer than this. */
const QUICK_SHARE = 8;
const QUICK_MIN = 200;

/**
 * Measures round by round, in each every contender once at each value. The order of contenders is rotated, so that none is always the first or
 * behind the same; those of one round and value are neighbours in time, and may be divided by each other.
 */
export async function answer(question: Question, places: Places, options: RunOptions): Promise<Answer> {
  const { rounds, payloadBytes, say, signal } = options;
  const values = valuesOf(question, options);
  const missing: Record<string, string> = {};
  const contenders = await present(question, places, options, missing);
  const loadBefore = loadavg()[0]!;
  const others = othersMeter();
  const measured = values.flatMap((value) =>
    contenders.map(({ name: contender }) => ({ value, contender, rounds: [] as Figures[] })),
  );
  for (let round = 0; round < rounds; round++) {
    for (const value of values) {
      for (const contender of rotated(contenders, round)) {
        const { name } = contender;
        if (name in missing) continue;
        signal.throwIfAborted();
        say(`${question.name}: ${question.parameter} ${value}, round ${round + 1} of ${rounds}, ${name}`);
        try {
          const messages = messagesOf(question, value, options);
          const figures = await contender.measure({ value, messages, payloadBytes, places });
          measured.find((one) => one.value === value && one.contender === name)!.rounds.push(figures);
        } catch (error) {
          signal.throwIfAborted(); // What it needs has been stopped.
          missing[name] = `it failed at ${value}: ${inShort(error)}`;
          say(`${question.name}: ${name} failed: ${String(error)}`);
        }
      }
    }
  }
  return {
    name: question.name,
    question: question.question,
    command: options.command,
    isQuick: options.quick,
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    versions: [...new Set([ourVersion(), ...contenders.flatMap(versionsOf)])],
    loadBefore,
    coresOfOthers: others.busyCores(),
    rounds,
    parameter: question.parameter,
    values,
    measured: measured.filter((one) => one.rounds.length > 0),
    missing,
  };
}

function valuesOf({ values, quickValues }: Question, { values: asked, quick }: RunOptions): readonly Value[] {
  if (asked === undefined) return quick ? quickValues : values;
  return asked.map((text) => (Number.isNaN(Number(text)) ? text : Number(text)));
}

function messagesOf(question: Question, value: Value, { messages, quick }: RunOptions): number {
  if (messages !== undefined) return messages;
  const whole = question.messages(value);
  if (!quick) return whole;
  return (
    question.quickMessages?.(value) ?? Math.max(Math.min(whole, QUICK_MIN), Math.round(whole / QUICK_SHARE))
  );
}

function rotated<T>(all: readonly T[], by: number): readonly T[] {
  return all.map((_, index) => all[(index + by) % all.length]!);
}

/** Starts what contenders need, and leaves out, by name, those for whom it is not there. */
async function present(
  { name, contenders }: Question,
  places: Places,
  { only, say, signal }: RunOptions,
  missing: Record<string, string>,
): Promise<readonly Contender[]> {
  const found: Contender[] = [];
  for (const contender of contenders) {
    if (only !== undefined && !only.includes(contender.name)) continue;
    try {
      for (const one of contender.packages ?? []) needPackage(one);
      if (contender.pythonModule !== undefined) needPython(contender.pythonModule);
      for (const place of contender.places) await places.named(place);
      found.push(contender);
    } catch (error) {
      signal.throwIfAborted();
      missing[contender.name] = inShort(error);
      say(
        `${name}: ${contender.name} is missing: ${error instanceof MissingError ? error.message : String(error)}`,
      );
    }
  }
  return found;
}

function needPackage(name: string): void {
  if (existsSync(programPath(`peers/node_modules/${name}/package.json`))) return;
  throw new MissingError(`the package ${name} is not there: npm ci in benchmarks/peers`);
}

function needPython(module: string): void {
  const { status } = spawnSync("/usr/bin/python3", ["-c", `import kombu, ${module}`], { stdio: "ignore" });
  if (status !== 0)
    throw new MissingError("Python's kombu is not there: apt-get install python3-kombu python3-redis");
}

/** The commit, because figures are older than the text around them. */
function ourVersion(): string {
  const { stdout } = spawnSync("git", ["rev-parse", "--short", "HEAD"], {
    cwd: programPath(""),
    encoding: "utf8",
  });
  return stdout ? `pullqueue at ${stdout.trim()}` : "pullqueue";
}

/** Of packages, of Python's kombu, and of the programs behind a contender's places. */
function versionsOf({ packages = [], places, pythonModule }: Contender): readonly string[] {
  const read = (name: string) =>
    JSON.parse(readFileSync(programPath(`peers/node_modules/${name}/package.json`), "utf8"))
      .version as string;
  const kombu =
    pythonModule &&
    firstOf("/usr/bin/python3", ["-c", "import kombu; print('Python kombu', kombu.__version__)"]);
  return [
    ...packages.map((name) => `${name} ${read(name)}`),
    ...(kombu ? [kombu] : []),
    ...places.flatMap((place) => serverVersion(place) ?? []),
  ];
}

function serverVersion(place: string): string | undefined {
  if (place.startsWith("redis"))
    return `Redis ${/v=(\S+)/.exec(firstOf("redis-server", ["--version"]))?.[1]}`;
  if (place === "jetstream") return firstOf("nats-server", ["--version"]).replace(":", "");
  if (place === "rabbitmq")
    return readdirSync("/usr/lib/rabbitmq/lib")[0]?.replace("rabbitmq_server-", "RabbitMQ ");
  if (place.includes("postgres")) return `PostgreSQL ${readdirSync("/usr/lib/postgresql").sort().at(-1)}`;
  return undefined;
}

function firstOf(command: string, parameters: readonly string[]): string {
  return spawnSync(command, parameters, { encoding: "utf8" }).stdout.trim().split("\n")[0]!;
}

/** The first line of a message, and the first that names an error in what a program wrote. */
function inShort(error: unknown): string {
  const [first = "", ...more] = (error instanceof Error ? error.message : String(error)).split("\n");
  const why = more.find((line) => /\w*Error\b/.test(line));
  return why === undefined ? first : `${first}: ${why.trim()}`;
}
