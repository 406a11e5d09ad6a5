import type { PlaceName, Places } from "./places.js";

/** What varies: a number, or a word such as a way to sync. */
export type Value = number | string;

/** What one measurement found, by the keys of the question's metrics. */
export type Figures = Readonly<Record<string, number>>;

/** One figure that is measured. */
export interface Metric {
  readonly key: string;
  /** Above its table, with its unit: `published messages a second`. */
  readonly title: string;
  /** Digits behind the point. Default 0. */
  readonly digits?: number;
}

/** One thing to be measured for one contender. */
export interface Job {
  readonly value: Value;
  /** How many messages, or what a question counts instead; less in a quick run. */
  readonly messages: number;
  /** Bytes of each message's JSON. */
  readonly payloadBytes: number;
  readonly places: Places;
}

/** Who is measured. */
export interface Contender {
  /** As in tables and in `--only`: `pullqueue`, `RabbitMQ`. */
  readonly name: string;
  /** What it runs on, how durable it is and how it is called, in half a sentence. */
  readonly about: string;
  /** What must be started for it. */
  readonly places: readonly PlaceName[];
  /** Packages of `benchmarks/peers`, whose versions are told. Default: none. */
  readonly packages?: readonly string[];
  /** A module of Debian's Python. Default: none. */
  readonly pythonModule?: string;
  measure(job: Job): Promise<Figures>;
}

/** What a question's figures are wanted to be. */
export interface Goal {
  /** What is judged, as the first cell of its row: `publish, 100 in flight, against RabbitMQ`. */
  readonly what: string;
  readonly metric: string;
  /** Where the parameter stands. */
  readonly value: Value;
  /** Where it stands in a quick run, which cannot wait for the other. Default: the same. */
  readonly quickValue?: Value;
  /** Ours is divided by this contender's; undefined: ours by itself. */
  readonly to?: string;
  /** Ours is divided by its own figure at this value. */
  readonly toValue?: Value;
  /** The bound, and on which side of it is good. */
  readonly least?: number;
  readonly most?: number;
  /** Whether a quick run is too short to tell. Default: no. */
  readonly needsWholeRun?: boolean;
  /** Behind the figure: `×`, `MiB`. */
  readonly unit: string;
}

/** One question, answered by measuring contenders while one thing varies. */
export interface Question {
  /** The file's name without `.ts`, as `npm run bench` takes it. */
  readonly name: string;
  /** What it answers, as a sentence. */
  readonly question: string;
  /** What the reader must know of the comparison: paragraphs of Markdown. */
  readonly text: string;
  /** What varies, and through which values; the quick ones are those that goals are about. */
  readonly parameter: string;
  readonly values: readonly Value[];
  readonly quickValues: readonly Value[];
  readonly metrics: readonly Metric[];
  /** Ours first: the others are what it is divided by. */
  readonly contenders: readonly Contender[];
  /** How many messages a measurement takes. */
  messages(value: Value): number;
  /** The same for a quick run. Default: an eighth. */
  quickMessages?(value: Value): number;
  readonly goals: readonly Goal[];
}

/** The name of ours in every question. */
export const OURS = "pullqueue";

/** Bytes of each message's JSON, unless that is what varies. */
export const PAYLOAD_BYTES = 1024;
