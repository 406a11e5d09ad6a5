"""Real kombu at the other end of interop.test.ts: reads a list of jobs from standard input, writes a list of answers."""

import base64
import json
import sys

from kombu import Connection, Exchange, Producer, Queue


def read(job, channel):
    """What kombu makes of a stored message that we wrote."""
    channel._put("q", json.loads(job["envelope"]))
    message = Queue("q").bind(channel).get(accept=job.get("accept"))
    payload = message.payload
    message.ack()
    if isinstance(payload, bytes):
        payload = {"base64": base64.b64encode(payload).decode()}
    return {
        "payload": json.dumps(payload),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "headers": json.dumps(message.headers),
        "properties": message.properties,
        "delivery_info": message.delivery_info,
        "delivery_tag": message.delivery_tag,
    }


def write(job, channel):
    """What kombu stores of a message, as the text that its other virtual transports put into their brokers."""
    body = base64.b64decode(job["base64"]) if "base64" in job else json.loads(job["body"])
    exchange = Exchange(job["exchange"], job["type"])
    Queue("w", exchange, job["routing_key"])(channel).declare()
    Producer(channel, exchange).publish(body, routing_key=job["routing_key"], **job["options"])
    return json.dumps(channel._get("w"))


def main():
    verbs = {"read": read, "write": write}
    with Connection("memory://") as connection:
        channel = connection.default_channel
        Queue("q")(channel).declare()
        answers = [verbs[job["verb"]](job, channel) for job in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


main()
