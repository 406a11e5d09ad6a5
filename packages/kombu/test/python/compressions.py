"""Bodies that Python compressed, for compressions/python.test.ts: a list of [name, base64 of the compressed, base64 of the body].

With an argument, which is a number of bytes: as many zeros instead, without the body.
"""

import base64
import bz2
import json
import lzma
import random
import sys

import zstandard


def bodies(chance):
    """Empty, short, long; chance, few letters, repeats."""
    for length in [0, 1, 2, 100, 5000, 70_000]:
        yield chance.randbytes(length)
        yield bytes(chance.choice(b"abc") for _ in range(length))
        yield (b"hello world " * (length // 12 + 1))[:length]
        yield b"".join(chance.choice([b"foo", chance.randbytes(5), b"\0" * 50]) for _ in range(length // 20))


def compressed(body):
    """The body in all ways of interest."""
    alone = lzma.FORMAT_ALONE
    half = len(body) // 2
    yield "xz", lzma.compress(body)
    for check in [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_SHA256]:
        yield "xz", lzma.compress(body, check=check, preset=0)
    yield "xz", lzma.compress(body, filters=[{"id": lzma.FILTER_LZMA2, "lc": 1, "lp": 2, "pb": 0, "dict_size": 4096}])
    yield "xz", lzma.compress(body[:half]) + lzma.compress(body[half:])
    yield "lzma", lzma.compress(body, format=alone)
    yield "lzma", lzma.compress(body, format=alone, filters=[{"id": lzma.FILTER_LZMA1, "lc": 4, "lp": 0, "pb": 1}])
    yield "bzip2", bz2.compress(body, 1)
    yield "bzip2", bz2.compress(body[:half]) + bz2.compress(body[half:])
    yield "zstd", zstandard.ZstdCompressor().compress(body)
    yield "zstd", zstandard.ZstdCompressor(level=19, write_checksum=True).compress(body)
    yield "zstd", zstandard.ZstdCompressor(write_content_size=False).compress(body)
    yield "zstd", zstandard.ZstdCompressor().compress(body[:half]) + zstandard.ZstdCompressor().compress(body[half:])


def text(some_bytes):
    return base64.b64encode(some_bytes).decode()


def main():
    if len(sys.argv) > 1:
        return [[name, text(small)] for name, small in compressed(bytes(int(sys.argv[1])))]
    chance = random.Random(42)
    return [[name, text(small), text(body)] for body in bodies(chance) for name, small in compressed(body)]


json.dump(main(), sys.stdout)
