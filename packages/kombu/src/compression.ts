import {
  bytesCheck,
  type Check,
  checkContract,
  checkOptions,
  checkValue,
  functionCheck,
  integerCheck,
  keyCheck,
  textCheck,
} from "./check.js";
import { bzip2Compressor } from "./compressions/bzip2.js";
import { xzCompressor } from "./compressions/xz.js";
import { brotliCompressor, gzipCompressor } from "./compressions/zlib.js";
import { zstdCompressor } from "./compressions/zstd.js";
import type { Compressor } from "./compressor.js";
import { KombuError } from "./errors.js";
import { DECOMPRESSED_BYTES_MAX } from "./limits.js";
import { suggest } from "./suggest.js";

/** Compressed bodies. A message says how in `headers.compression`, by content type; kombu reads an alias there too. */

/** A body after compression. */
export interface CompressedBody {
  readonly body: Uint8Array;
  /** What `headers.compression` says of it. */
  readonly contentType: string;
}

/** What a registry allows. */
export interface CompressionRegistryOptions {
  /** Largest body after decompression, in bytes. Default 32 MiB: a small message can be made to unpack to any size. */
  readonly decompressedBytesMax?: number;
}

const REGISTRY_CHECKS: Readonly<Record<keyof CompressionRegistryOptions, Check>> = {
  decompressedBytesMax: integerCheck(1, 2 ** 32, "bytes"),
};

const COMPRESSOR_CHECKS: Readonly<Record<keyof Compressor, Check>> = {
  contentType: keyCheck,
  aliases: {
    expected: "an array of names",
    holds: (v) => Array.isArray(v) && v.every((name) => keyCheck.holds(name)),
  },
  compress: functionCheck,
  decompress: functionCheck,
};

/**
 * The compressions of one connection. A new one reads `gzip` (kombu's, which is zlib), `brotli`, `bzip2`, `xz` and `zstd`, and writes
 * the first two, and `zstd` where Node can.
 */
export class CompressionRegistry {
  readonly #compressors = new Set<Compressor>();
  readonly #bytesMax: number;

  /** Throws `invalid_argument`. */
  constructor(options: CompressionRegistryOptions = {}) {
    checkOptions("a compression registry", options, REGISTRY_CHECKS);
    this.#bytesMax = options.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX;
    const ours = [gzipCompressor, brotliCompressor, bzip2Compressor, xzCompressor, zstdCompressor()];
    for (const compressor of ours) this.register(compressor);
  }

  /** Adds a compression, or replaces the one of its content type. */
  register(compressor: Compressor): void {
    checkContract("a compression", compressor, COMPRESSOR_CHECKS, ["contentType", "aliases"]);
    this.unregister(compressor.contentType);
    this.#compressors.add(compressor);
  }

  /** Takes a compression away by its content type or an alias; quiet when there is none. */
  unregister(nameOrType: string): void {
    const compressor = this.#named(nameOrType);
    if (compressor !== undefined) this.#compressors.delete(compressor);
  }

  /** The content types that can be written. */
  encoders(): readonly string[] {
    return this.#writable().map(({ contentType }) => contentType);
  }

  /** Compresses a body. Errors: `not_supported` when nobody knows how; `internal` when it fails. */
  async compress(body: Uint8Array, nameOrType: string): Promise<CompressedBody> {
    checkValue("the body to compress", body, bytesCheck);
    const { compress, contentType } = this.#find(nameOrType);
    if (compress === undefined) {
      const known = this.#writable().flatMap(({ aliases }) => aliases);
      const why = `compression ${nameOrType} can be read, but not written here; there are ${known.join(", ")}`;
      throw new KombuError("not_supported", why);
    }
    try {
      return { body: await compress(body), contentType };
    } catch (cause) {
      throw new KombuError("internal", `compression ${nameOrType} failed: ${String(cause)}`, { cause });
    }
  }

  /**
   * The body before compression. Errors: `not_supported` for unknown ways and missing packages, `too_large` when it unpacks to more
   * than is allowed (a bomb), `decode_failed` when it is not what its header says.
   */
  decompress(body: Uint8Array, nameOrType: string): Uint8Array {
    checkValue("the body to decompress", body, bytesCheck);
    const { decompress, contentType } = this.#find(nameOrType);
    if (decompress === undefined) {
      throw new KombuError("not_supported", `compression ${nameOrType} can only be written here`);
    }
    try {
      return decompress(body, { maxOutputLength: this.#bytesMax });
    } catch (cause) {
      if (cause instanceof KombuError) throw cause;
      if (cause instanceof RangeError) {
        throw new KombuError("too_large", `the body unpacks to over ${this.#bytesMax} bytes`, { cause });
      }
      throw new KombuError("decode_failed", `the body says that it is ${contentType}, but is not`, { cause });
    }
  }

  #find(nameOrType: string): Compressor {
    const compressor = this.#named(nameOrType);
    if (compressor !== undefined) return compressor;
    const known = [...this.#compressors].flatMap(({ aliases }) => aliases);
    const why = `there is no compression ${JSON.stringify(nameOrType)}${suggest(nameOrType, known)}`;
    throw new KombuError("not_supported", `${why}; there are ${known.join(", ")}`);
  }

  #named(nameOrType: string): Compressor | undefined {
    const name = checkValue("a compression's name", nameOrType, textCheck).toLowerCase();
    const isNamed = ({ contentType, aliases }: Compressor) => contentType === name || aliases.includes(name);
    return [...this.#compressors].find(isNamed);
  }

  #writable(): readonly Compressor[] {
    return [...this.#compressors].filter(({ compress }) => compress !== undefined);
  }
}

const builtIn = new CompressionRegistry();

/** Compresses with what this package brings. Errors: `not_supported`. */
export function compress(body: Uint8Array, nameOrType: string): Promise<CompressedBody> {
  return builtIn.compress(body, nameOrType);
}

/** Decompresses with what this package brings. Errors: `not_supported`, `too_large`, `decode_failed`. */
export function decompress(body: Uint8Array, nameOrType: string): Uint8Array {
  return builtIn.decompress(body, nameOrType);
}
