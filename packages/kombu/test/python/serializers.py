"""Real kombu's serializers and compressions, for the tests named python.test.ts: reads a list of jobs from standard input, writes a list of answers."""

import base64
import json
import sys

from kombu import compression
from kombu.serialization import dumps, loads


def dump(job):
    """The body that kombu makes of a value."""
    content_type, content_encoding, body = dumps(json.loads(job["json"]), serializer=job["serializer"])
    body = body.encode() if isinstance(body, str) else body
    return [content_type, content_encoding, base64.b64encode(body).decode()]


def load(job):
    """The value that kombu makes of a body of ours."""
    value = loads(
        base64.b64decode(job["body"]), job["content_type"], job["content_encoding"], accept=[job["content_type"]]
    )
    return json.dumps(value, default=repr, sort_keys=True)


def compress(job):
    """The body as kombu compresses it, and the header."""
    body, content_type = compression.compress(base64.b64decode(job["body"]), job["name"])
    return [base64.b64encode(body).decode(), content_type]


def decompress(job):
    """A body of ours before compression."""
    return base64.b64encode(compression.decompress(base64.b64decode(job["body"]), job["name"])).decode()


VERBS = {"dump": dump, "load": load, "compress": compress, "decompress": decompress}
json.dump([VERBS[job["verb"]](job) for job in json.load(sys.stdin)], sys.stdout)
