"""Real kombu on a real broker, at the other end of amqp-interop.test.ts.

kombu_amqp.py URL jobs   reads a list of jobs from standard input, writes a list of answers
kombu_amqp.py URL hold QUEUE   takes a message, says so, and keeps it until it is killed
kombu_amqp.py URL reply QUEUE   answers requests as Python's RPC examples do, until its input ends
"""

import base64
import datetime
import json
import socket
import sys
import threading

from kombu import Connection, Exchange, Producer, Queue
from kombu.common import eventloop

TIMEOUT = 10


def shown(value):
    """JSON that tells bytes and dates from text."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return {"date": int(value.replace(tzinfo=datetime.timezone.utc).timestamp())}
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    return value


def read(job, channel):
    """The next message of a queue, as kombu sees it."""
    queue = Queue(job["queue"], no_declare=True)(channel)
    message = queue.get(accept=job.get("accept"))
    if message is None:
        return None
    answer = {
        "payload": shown(message.payload),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "headers": shown(message.headers),
        "properties": shown(
            {k: v for k, v in message.properties.items() if k != "application_headers"}
        ),
        "delivery_info": {
            key: message.delivery_info[key] for key in ("exchange", "routing_key", "redelivered")
        },
    }
    {"ack": message.ack, "requeue": message.requeue, "reject": message.reject}[job.get("end", "ack")]()
    return answer


def declare(job, channel):
    exchange = Exchange(job["exchange"], job["type"])
    Queue(
        job["queue"], exchange, job.get("routing_key", ""), **job.get("options", {})
    )(channel).declare()


def write(job, channel):
    body = base64.b64decode(job["base64"]) if "base64" in job else job["body"]
    options = dict(job.get("options", {}))
    headers = options.get("headers", {})
    if "date" in headers:
        headers["date"] = datetime.datetime.fromtimestamp(headers["date"], datetime.timezone.utc)
    if "bytes" in headers:
        headers["bytes"] = base64.b64decode(headers["bytes"])
    Producer(channel).publish(
        body, exchange=job["exchange"], routing_key=job["routing_key"], **options
    )


def jobs(connection):
    verbs = {"read": read, "write": write, "declare": declare}
    answers = [
        verbs[job["verb"]](job, connection.default_channel) for job in json.load(sys.stdin)
    ]
    json.dump(answers, sys.stdout)


def hold(connection, name):
    with connection.Consumer(Queue(name, no_declare=True), callbacks=[lambda body, _: print(f"held {body}", flush=True)]):
        for _ in eventloop(connection, timeout=60):
            pass


def reply(connection, name):
    def answer(body, message):
        Producer(message.channel).publish(
            {"answer": body["question"] * 2},
            exchange="",
            routing_key=message.properties["reply_to"],
            correlation_id=message.properties["correlation_id"],
        )
        message.ack()

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with connection.Consumer(Queue(name, no_declare=True), callbacks=[answer]):
        print("ready", flush=True)
        while not ended.is_set():
            try:
                connection.drain_events(timeout=0.2)
            except socket.timeout:
                pass


def main():
    url, verb, *rest = sys.argv[1:]
    with Connection(url, transport_options={"confirm_publish": True}, connect_timeout=TIMEOUT) as connection:
        {"jobs": jobs, "hold": hold, "reply": reply}[verb](connection, *rest)


main()
