"""What Python's kombu makes of queues and exchanges: for entity-dict.test.ts.

Reads a list of jobs from standard input and writes a list of answers: ["from_dict", name, options] and ["queue", dict] are
answered with `as_dict(recurse=True)` of the queue.
"""

import json
import sys

from kombu import Exchange, Queue, binding


def exchange_of(options):
    return Exchange(**options)


def queue_of(options):
    """The queue that `as_dict` wrote down; kombu itself has no way back."""
    bindings = [binding(**{**one, "exchange": exchange_of(one["exchange"])}) for one in options.pop("bindings")]
    exchange = options.pop("exchange")
    if bindings:
        return Queue(bindings=bindings, **options)
    return Queue(exchange=exchange_of(exchange), **options)


def answer(verb, *args):
    queue = Queue.from_dict(args[0], **args[1]) if verb == "from_dict" else queue_of(args[0])
    written = queue.as_dict(recurse=True)
    # A set, there.
    written["bindings"].sort(key=lambda one: one["exchange"]["name"])
    return written


json.dump([answer(*job) for job in json.load(sys.stdin)], sys.stdout)
