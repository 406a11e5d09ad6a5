import { promisify } from "node:util";
import * as zlib from "node:zlib";
import type { Compressor } from "../compressor.js";
import { requireOptional } from "../optional-module.js";
import { BoundedBytes } from "./bounded-bytes.js";
import { checkZstdFrames } from "./zstd-frames.js";

/** What Node's zlib has since 22.15 and 23.8. */
interface NodeZstd {
  readonly zstdCompress?: (
    body: Uint8Array,
    callback: (error: Error | null, result: Uint8Array) => void,
  ) => void;
  readonly zstdDecompressSync?: (body: Uint8Array, limit: { readonly maxOutputLength: number }) => Uint8Array;
}

/** What is used of https://www.npmjs.com/package/fzstd. */
interface FzstdLibrary {
  readonly Decompress: new (
    onData: (chunk: Uint8Array) => void,
  ) => {
    push(body: Uint8Array, isLast: true): void;
  };
}

/** Zstandard as Node has it; where it has none, read through the package fzstd. */
export function zstdCompressor(
  { zstdCompress, zstdDecompressSync }: NodeZstd = zlib as NodeZstd,
): Compressor {
  return {
    contentType: "application/zstd",
    aliases: ["zstd", "zstandard"],
    ...(zstdCompress === undefined ? {} : { compress: promisify(zstdCompress) }),
    decompress: zstdDecompressSync ?? decompressByLibrary,
  };
}

function decompressByLibrary(
  body: Uint8Array,
  { maxOutputLength }: { readonly maxOutputLength: number },
): Uint8Array {
  const { Decompress } = requireOptional<FzstdLibrary>("fzstd", "reading zstd with this version of Node");
  // The library reserves whatever window a frame asks for.
  const expected = checkZstdFrames(body, maxOutputLength);
  const output = new BoundedBytes(maxOutputLength);
  new Decompress((chunk) => output.put(chunk)).push(body, true);
  if (expected !== undefined && output.length !== expected)
    throw new Error("zstd of another length than it says");
  return output.bytes();
}
