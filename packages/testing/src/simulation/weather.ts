import type { Prng } from "../prng.js";

/** How often the network does each harm to a request, of a thousand. */
export interface Weather {
  /** The connection is refused; nothing was sent. */
  readonly refused: number;
  /** The request is lost on its way. */
  readonly requestLost: number;
  /** The server does it, and its answer is lost. */
  readonly answerLost: number;
  /** Something in between sends the request once more, at any time within minutes. */
  readonly repeated: number;
  /** The request arrives seconds or minutes after its client gave it up. */
  readonly requestLate: number;
  readonly answerLate: number;
  /** The connection is cut somewhere in the middle. */
  readonly cut: number;
}

/** A network that loses nothing. */
export const CALM: Weather = Object.freeze({
  refused: 0,
  requestLost: 0,
  answerLost: 0,
  repeated: 0,
  requestLate: 0,
  answerLate: 0,
  cut: 0,
});

/** Rates that a seed chooses from, of a thousand: now and then none, so that the other harms come through. */
const RATES = [0, 10, 40, 120];

/** A seed's weather. */
export function stormyWeather(chance: Prng): Weather {
  return {
    refused: chance.pick(RATES),
    requestLost: chance.pick(RATES),
    answerLost: chance.pick(RATES),
    repeated: chance.pick(RATES),
    requestLate: chance.pick(RATES),
    answerLate: chance.pick(RATES),
    cut: chance.pick(RATES),
  };
}

/** What will become of one request, in milliseconds on its way. */
export interface Passage {
  readonly harm: keyof Weather | "none";
  readonly thereMs: number;
  readonly backMs: number;
  /** When the repeated one arrives, or the connection is cut. */
  readonly harmMs: number;
  /** Whether the other side hears of a connection's end, or is left with half of it. */
  readonly isHeard: boolean;
}

/** Usual times on the way, in milliseconds. */
const WAY_MS = { low: 1, high: 40 };

/** How late something can be, in milliseconds. */
export const LATE_MS_MAX = 200_000;

/** Late is from beyond a client's time limit up to minutes, but short of the ten that an insert's key is remembered. */
const LATE_MS = { low: 2_000, high: LATE_MS_MAX };

/** Chooses what becomes of a request. */
export function passage(weather: Weather, chance: Prng): Passage {
  let draw = chance.integer(0, 999);
  let harm: Passage["harm"] = "none";
  for (const [name, rate] of Object.entries(weather) as [keyof Weather, number][]) {
    if (draw < rate) {
      harm = name;
      break;
    }
    draw -= rate;
  }
  const lateMs = chance.integer(LATE_MS.low, LATE_MS.high) * chance.pick([0.02, 0.2, 1]);
  const wayMs = () => chance.integer(WAY_MS.low * 1000, WAY_MS.high * 1000) / 1000;
  return {
    harm,
    thereMs: wayMs() + (harm === "requestLate" ? lateMs : 0),
    backMs: wayMs() + (harm === "answerLate" ? lateMs : 0),
    harmMs: harm === "cut" ? chance.integer(0, 4_000) : lateMs,
    isHeard: chance.integer(0, 3) > 0,
  };
}
