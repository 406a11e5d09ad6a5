import type { BoundedBytes } from "./bounded-bytes.js";
import type { ByteReader } from "./byte-reader.js";

/**
 * LZMA, as its specification has it (https://www.7-zip.org/sdk.html, lzma-specification.txt). Here because no library reads both xz
 * and the older format, at once and up to a limit. The bytes that were put are the dictionary, so that none has to be reserved.
 */

/** How literals and positions are modelled, from the properties byte. */
export interface LzmaProperties {
  readonly lc: number;
  readonly lp: number;
  readonly pb: number;
}

/** The properties in a byte: (pb * 5 + lp) * 9 + lc. */
export function lzmaProperties(byte: number): LzmaProperties {
  if (byte >= 9 * 5 * 5) throw new Error("unknown LZMA properties");
  return { lc: byte % 9, lp: Math.floor(byte / 9) % 5, pb: Math.floor(byte / 45) };
}

/** A probability is a number of 11 bits, which moves by a 32nd. */
const PROBABILITY_BITS = 11;
const PROBABILITY_ONE = 1 << PROBABILITY_BITS;
const PROBABILITY_MOVE = 5;
const RANGE_TOP = 2 ** 24;

const STATES = 12;
const POSITION_STATES = 16;
const LENGTH_MIN = 2;
const LITERAL_SIZE = 0x300;
/** Of 32 bits all set: no distance, but the end. */
const END_MARKER = 0xffffffff;

function probabilities(count: number): Uint16Array {
  return new Uint16Array(count).fill(PROBABILITY_ONE / 2);
}

/** Lengths have three ranges, two of which depend on the position. */
class LengthModel {
  readonly choice = probabilities(2);
  readonly low = Array.from({ length: POSITION_STATES }, () => probabilities(8));
  readonly middle = Array.from({ length: POSITION_STATES }, () => probabilities(8));
  readonly high = probabilities(256);
}

/** All that is learnt from what was read so far. */
class Model {
  readonly literal: Uint16Array;
  readonly isMatch = probabilities(STATES * POSITION_STATES);
  readonly isRep = probabilities(STATES);
  readonly isRepG0 = probabilities(STATES);
  readonly isRepG1 = probabilities(STATES);
  readonly isRepG2 = probabilities(STATES);
  readonly isRep0Long = probabilities(STATES * POSITION_STATES);
  readonly slot = Array.from({ length: 4 }, () => probabilities(64));
  readonly position = probabilities(115);
  readonly align = probabilities(16);
  readonly length = new LengthModel();
  readonly repeatedLength = new LengthModel();

  constructor({ lc, lp }: LzmaProperties) {
    this.literal = probabilities(LITERAL_SIZE << (lc + lp));
  }
}

/** Decodes LZMA into bytes that are bounded. */
export class LzmaDecoder {
  readonly #output: BoundedBytes;
  /** Where the dictionary begins in the output. */
  #start: number;
  #properties: LzmaProperties = { lc: 3, lp: 0, pb: 2 };
  #model = new Model(this.#properties);
  #input!: ByteReader;
  #range = 0;
  #code = 0;
  #state = 0;
  #distances: [number, number, number, number] = [0, 0, 0, 0];

  constructor(output: BoundedBytes) {
    this.#output = output;
    this.#start = output.length;
  }

  /** Forgets what could be repeated. */
  resetDictionary(): void {
    this.#start = this.#output.length;
  }

  /** Forgets what was learnt. */
  resetState(properties: LzmaProperties = this.#properties): void {
    this.#properties = properties;
    this.#model = new Model(properties);
    this.#state = 0;
    this.#distances = [0, 0, 0, 0];
  }

  /** Begins to read; the first five bytes are the range coder's. */
  open(input: ByteReader): void {
    this.#input = input;
    if (input.byte() !== 0) throw new Error("not LZMA");
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let count = 0; count < 4; count++) this.#code = this.#code * 256 + input.byte();
    if (this.#code === this.#range) throw new Error("not LZMA");
  }

  /** Decodes until the output has this many bytes, or to the end marker; whether the latter came. */
  decode(untilLength: number): boolean {
    const { isMatch, isRep, length, repeatedLength } = this.#model;
    const positionMask = (1 << this.#properties.pb) - 1;
    while (this.#output.length < untilLength) {
      const position = (this.#output.length - this.#start) & positionMask;
      if (this.#bit(isMatch, this.#state * POSITION_STATES + position) === 0) {
        this.#literal();
        continue;
      }
      const isRepeated = this.#bit(isRep, this.#state) === 1;
      if (isRepeated && this.#isShort(position)) {
        this.#state = this.#state < 7 ? 9 : 11;
        this.#copy(1, untilLength);
        continue;
      }
      const count = LENGTH_MIN + this.#length(isRepeated ? repeatedLength : length, position);
      if (!isRepeated) {
        const [d0, d1, d2] = this.#distances;
        this.#distances = [this.#distance(count), d0, d1, d2];
        if (this.#distances[0] === END_MARKER) return true;
      }
      this.#state = (this.#state < 7 ? 7 : 10) + (isRepeated ? 1 : 0);
      this.#copy(count, untilLength);
    }
    return false;
  }

  /** Whether the range coder has used up what it read, as at a proper end. */
  get isFinished(): boolean {
    return this.#code === 0;
  }

  #literal(): void {
    const { lc, lp } = this.#properties;
    const done = this.#output.length - this.#start;
    const before = done === 0 ? 0 : this.#output.at(this.#output.length - 1);
    const context = ((done & ((1 << lp) - 1)) << lc) + (before >> (8 - lc));
    const base = LITERAL_SIZE * context;
    const { literal } = this.#model;
    let symbol = 1;
    if (this.#state >= 7) {
      // After a match the byte that would have gone on with it tells what this one probably is not.
      let match = this.#output.at(this.#output.length - 1 - this.#distances[0]);
      for (let same = true; same && symbol < 0x100; match <<= 1) {
        const matchBit = (match >> 7) & 1;
        const bit = this.#bit(literal, base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        same = matchBit === bit;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(literal, base + symbol);
    this.#output.putByte(symbol & 0xff);
    this.#state = this.#state < 4 ? 0 : this.#state - (this.#state < 10 ? 3 : 6);
  }

  /** Takes one of the last four distances to the front; whether only one byte is repeated. */
  #isShort(position: number): boolean {
    const { isRepG0, isRepG1, isRepG2, isRep0Long } = this.#model;
    if (this.#bit(isRepG0, this.#state) === 0) {
      return this.#bit(isRep0Long, this.#state * POSITION_STATES + position) === 0;
    }
    const [d0, d1, d2, d3] = this.#distances;
    if (this.#bit(isRepG1, this.#state) === 0) this.#distances = [d1, d0, d2, d3];
    else if (this.#bit(isRepG2, this.#state) === 0) this.#distances = [d2, d0, d1, d3];
    else this.#distances = [d3, d0, d1, d2];
    return false;
  }

  #copy(count: number, untilLength: number): void {
    const distance = this.#distances[0] + 1;
    if (distance > this.#output.length - this.#start) throw new Error("LZMA repeats what was never there");
    if (this.#output.length + count > untilLength) throw new Error("LZMA has more bytes than it says");
    this.#output.repeat(distance, count);
  }

  #length(model: LengthModel, position: number): number {
    if (this.#bit(model.choice, 0) === 0) return this.#tree(model.low[position]!, 3);
    if (this.#bit(model.choice, 1) === 0) return 8 + this.#tree(model.middle[position]!, 3);
    return 16 + this.#tree(model.high, 8);
  }

  #distance(count: number): number {
    const slot = this.#tree(this.#model.slot[Math.min(count - LENGTH_MIN, 3)]!, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) * 2 ** bits;
    if (slot < 14) return high + this.#reverseTree(this.#model.position, high - slot, bits);
    return high + this.#direct(bits - 4) * 16 + this.#reverseTree(this.#model.align, 0, 4);
  }

  #tree(model: Uint16Array, bits: number): number {
    let symbol = 1;
    for (let count = 0; count < bits; count++) symbol = (symbol << 1) | this.#bit(model, symbol);
    return symbol - (1 << bits);
  }

  #reverseTree(model: Uint16Array, base: number, bits: number): number {
    let node = 1;
    let symbol = 0;
    for (let count = 0; count < bits; count++) {
      const bit = this.#bit(model, base + node);
      node = (node << 1) | bit;
      symbol |= bit << count;
    }
    return symbol;
  }

  #direct(bits: number): number {
    let value = 0;
    for (let count = 0; count < bits; count++) {
      this.#range = Math.floor(this.#range / 2);
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      value = value * 2 + bit;
      this.#refill();
    }
    return value;
  }

  #bit(model: Uint16Array, index: number): number {
    const probability = model[index]!;
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    const bit = this.#code < bound ? 0 : 1;
    if (bit === 0) {
      this.#range = bound;
      model[index] = probability + ((PROBABILITY_ONE - probability) >> PROBABILITY_MOVE);
    } else {
      this.#range -= bound;
      this.#code -= bound;
      model[index] = probability - (probability >> PROBABILITY_MOVE);
    }
    this.#refill();
    return bit;
  }

  #refill(): void {
    if (this.#range >= RANGE_TOP) return;
    this.#range *= 256;
    this.#code = this.#code * 256 + this.#input.byte();
  }
}
