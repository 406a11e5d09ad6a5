/** Smallest buffer, in bytes. */
const FIRST_BYTES = 1024;

/** Bytes that are put together, up to a limit: a RangeError tells that there would be more. */
export class BoundedBytes {
  readonly #bytesMax: number;
  #buffer: Uint8Array;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#buffer = new Uint8Array(Math.min(FIRST_BYTES, bytesMax));
  }

  get length(): number {
    return this.#length;
  }

  /** A byte that was put before. */
  at(index: number): number {
    return this.#buffer[index]!;
  }

  putByte(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = byte;
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Puts again what stands `distance` bytes before the end; what is put is there to be repeated too. */
  repeat(distance: number, count: number): void {
    this.#reserve(count);
    for (let left = count; left > 0; left--) {
      this.#buffer[this.#length] = this.#buffer[this.#length - distance]!;
      this.#length += 1;
    }
  }

  /** All that was put. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.byteLength) return;
    if (needed > this.#bytesMax) throw new RangeError(`over ${this.#bytesMax} bytes`);
    const larger = new Uint8Array(Math.min(this.#bytesMax, Math.max(needed, 2 * this.#buffer.byteLength)));
    larger.set(this.bytes());
    this.#buffer = larger;
  }
}
