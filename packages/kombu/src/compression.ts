import { promisify } from "node:util";
import { brotliCompress, brotliDecompressSync, deflate, unzipSync } from "node:zlib";
import { KombuError } from "./errors.js";
import { DECOMPRESSED_BYTES_MAX } from "./limits.js";
import { suggest } from "./suggest.js";

/** Compressed bodies. A message says how in `headers.compression`, by content type; kombu reads an alias there too. */

/** A way of compressing bodies. */
interface Compression {
  /** What stands in the header. */
  readonly contentType: string;
  readonly aliases: readonly string[];
  readonly compress: (body: Uint8Array) => Promise<Uint8Array>;
  readonly decompress: (body: Uint8Array, limit: { readonly maxOutputLength: number }) => Uint8Array;
}

const COMPRESSIONS: readonly Compression[] = [
  {
    // Kombu calls it gzip but writes zlib's format. Real gzip is read too, though kombu itself cannot.
    contentType: "application/x-gzip",
    aliases: ["gzip", "zlib"],
    compress: promisify<Uint8Array, Uint8Array>(deflate),
    decompress: unzipSync,
  },
  {
    contentType: "application/x-brotli",
    aliases: ["brotli"],
    compress: promisify<Uint8Array, Uint8Array>(brotliCompress),
    decompress: brotliDecompressSync,
  },
];

/** What kombu knows and Node's own library does not. */
const UNSUPPORTED: readonly string[] = [
  ...["application/x-bz2", "bzip2", "bzip"],
  ...["application/x-lzma", "lzma", "xz"],
  ...["application/zstd", "zstd", "zstandard"],
];

/** A compressed body and what `headers.compression` says of it. Errors: `not_supported`. */
export async function compress(
  body: Uint8Array,
  nameOrType: string,
): Promise<{ readonly body: Uint8Array; readonly contentType: string }> {
  const compression = find(nameOrType);
  return { body: await compression.compress(body), contentType: compression.contentType };
}

/**
 * The body before compression. Errors: `not_supported` for other ways, `too_large` when it unpacks to over
 * `DECOMPRESSED_BYTES_MAX` (a bomb), `decode_failed` when it is not what its header says.
 */
export function decompress(body: Uint8Array, nameOrType: string): Uint8Array {
  const { contentType, decompress } = find(nameOrType);
  try {
    return decompress(body, { maxOutputLength: DECOMPRESSED_BYTES_MAX });
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new KombuError("too_large", `the body unpacks to over ${DECOMPRESSED_BYTES_MAX} bytes`, {
        cause,
      });
    }
    throw new KombuError("decode_failed", `the body says that it is ${contentType}, but is not`, { cause });
  }
}

function find(nameOrType: string): Compression {
  const name = nameOrType.toLowerCase();
  const compression = COMPRESSIONS.find((c) => c.contentType === name || c.aliases.includes(name));
  if (compression !== undefined) return compression;
  const known = COMPRESSIONS.flatMap((c) => c.aliases);
  const why = UNSUPPORTED.includes(name)
    ? `compression ${name} needs a library that Node does not have`
    : `there is no compression ${JSON.stringify(nameOrType)}${suggest(name, known)}`;
  throw new KombuError("not_supported", `${why}; there are ${known.join(", ")}`);
}
