#!/usr/bin/python3
"""Python's kombu, with the command line of contract.mjs: Producer.publish and Consumer, as its documentation shows them.

--variant memory, redis, amqp or amqp-confirm; --prefetch is the consumer's. Publishing is synchronous: one at a time, whatever --inflight says.
"""
import argparse
import json
import os
import random
import string
import time

from kombu import Connection, Consumer, Exchange, Producer, Queue

NUMBERS = dict(messages=2000, warmup=0, payload=1024, inflight=1, prefetch=1, batch=0, concurrency=1, latency=0, rate=50)
TEXTS = dict(role="both", url="memory://", queue="bench", variant="memory")
TEXT = "".join(random.choices(string.ascii_letters, k=100_000))
PATIENCE_S = 30


def read_options():
    parser = argparse.ArgumentParser()
    for name, default in {**NUMBERS, **TEXTS}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def message(i, size):
    body = {"i": i, "t": time.monotonic() * 1000, "d": ""}
    missing = max(0, size - len(json.dumps(body, separators=(",", ":"))))
    start = i * 61 % 50_000
    body["d"] = TEXT[start:start + missing]
    return body


def publish(channel, queue, options):
    bound = queue(channel)
    bound.declare()
    bound.purge()
    producer = Producer(channel, exchange=queue.exchange, routing_key=queue.routing_key, serializer="json")
    for i in range(options.warmup):
        producer.publish(message(i, options.payload))
    start = time.perf_counter()
    for i in range(options.messages - options.warmup):
        producer.publish(message(i, options.payload))
    return {"publish_per_s": (options.messages - options.warmup) / (time.perf_counter() - start)}


def receive(connection, channel, queue, options):
    start = time.perf_counter()
    settled = 0

    def on_message(body, message):
        nonlocal start, settled
        if settled == options.warmup:
            start = time.perf_counter()
        message.ack()
        settled += 1

    with Consumer(channel, [queue], callbacks=[on_message], prefetch_count=options.prefetch):
        while settled < options.messages:
            connection.drain_events(timeout=PATIENCE_S)
    return {"receive_per_s": (options.messages - options.warmup) / (time.perf_counter() - start)}


def main():
    options = read_options()
    confirm = {"confirm_publish": True} if options.variant == "amqp-confirm" else {}
    connection = Connection(options.url, transport_options=confirm)
    channel = connection.channel()
    queue = Queue(options.queue, Exchange(options.queue), routing_key=options.queue)
    figures = {}
    if options.role in ("publish", "both"):
        figures |= publish(channel, queue, options)
    if options.role in ("receive", "both"):
        figures |= receive(connection, channel, queue, options)
    print(json.dumps(figures), flush=True)
    os._exit(0)


main()
