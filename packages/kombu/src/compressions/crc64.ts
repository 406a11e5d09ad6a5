/** CRC-64 as xz has it (ECMA-182, reflected), in two halves, because BigInts would take a hundred times as long. */

const POLYNOMIAL = { high: 0xc96c5795, low: 0xd7870f42 };

const TABLE = Array.from({ length: 256 }, (_, index) => {
  let high = 0;
  let low = index;
  for (let bit = 0; bit < 8; bit++) {
    const isOdd = (low & 1) === 1;
    low = (low >>> 1) | ((high & 1) << 31);
    high >>>= 1;
    if (isOdd) {
      low ^= POLYNOMIAL.low;
      high ^= POLYNOMIAL.high;
    }
  }
  return { high, low };
});

/** The checksum in 16 hexadecimal digits. */
export function crc64(bytes: Uint8Array): string {
  let high = -1;
  let low = -1;
  for (const byte of bytes) {
    const entry = TABLE[(low ^ byte) & 0xff]!;
    low = ((low >>> 8) | (high << 24)) ^ entry.low;
    high = (high >>> 8) ^ entry.high;
  }
  return [~high, ~low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}
