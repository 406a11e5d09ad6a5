/** Bytes from front to back; an Error tells that there are no more. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.byteLength;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error("the bytes end too soon");
    this.#at += 1;
    return byte;
  }

  /** The next byte, which stays there. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.byteLength) throw new Error("the bytes end too soon");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** What was read since a place. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#at);
  }

  /** A whole number of this many bytes (at most 8), the lowest first; of over 53 bits only about. */
  integer(count: number): number {
    return this.take(count).reduce((sum, byte, index) => sum + byte * 256 ** index, 0);
  }
}
