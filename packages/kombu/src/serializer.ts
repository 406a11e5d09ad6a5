/** A way of writing bodies. One side may be missing. */
export interface Serializer {
  /** What `serializer` options call it. */
  readonly name: string;
  readonly contentType: string;
  /** `utf-8`, or `binary` when the bytes are no text. */
  readonly contentEncoding: string;
  /** The bytes of a value; throws what it likes, which becomes `not_serializable`. */
  readonly encode?: (value: unknown) => Uint8Array;
  /** The value of bytes that are not empty; throws what it likes, which becomes `decode_failed`. */
  readonly decode?: (body: Uint8Array, contentEncoding: string) => unknown;
}
