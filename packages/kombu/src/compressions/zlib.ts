import { promisify } from "node:util";
import { brotliCompress, brotliDecompressSync, deflate, unzipSync } from "node:zlib";
import type { Compressor } from "../compressor.js";

/** Kombu calls it gzip but writes zlib's format. Real gzip is read too, though kombu itself cannot. */
export const gzipCompressor: Compressor = {
  contentType: "application/x-gzip",
  aliases: ["gzip", "zlib"],
  compress: promisify<Uint8Array, Uint8Array>(deflate),
  decompress: unzipSync,
};

/** Brotli's own format. */
export const brotliCompressor: Compressor = {
  contentType: "application/x-brotli",
  aliases: ["brotli"],
  compress: promisify<Uint8Array, Uint8Array>(brotliCompress),
  decompress: brotliDecompressSync,
};
