/** A way of compressing bodies. One side may be missing. */
export interface Compressor {
  /** What stands in `headers.compression`. */
  readonly contentType: string;
  /** What `compression` options call it; read in the header too. */
  readonly aliases: readonly string[];
  readonly compress?: (body: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /**
   * The body before. Throws a RangeError as soon as it would have more than `maxOutputLength` bytes, which becomes `too_large`;
   * whatever else it throws becomes `decode_failed`.
   */
  readonly decompress?: (body: Uint8Array, limit: { readonly maxOutputLength: number }) => Uint8Array;
}
