"""Real kombu on Redis, at the other end of redis-python.test.ts: each line of standard input is a job, each line of output its answer."""

import base64
import json
import socket
import sys

from kombu import Connection, Consumer, Exchange, Producer, Queue


class Peer:
    """One connection and what is held through it."""

    def __init__(self, url, options):
        self.connection = Connection(url, transport_options=options)
        self.channel = self.connection.default_channel
        self.held = {}
        self.consumers = []
        self.received = []

    def queue(self, job):
        exchange = Exchange(job.get("exchange", ""), job.get("type", "direct")) if job.get("exchange") else None
        if exchange is None:
            return Queue(job["queue"])
        return Queue(job["queue"], exchange, routing_key=job.get("routing_key", ""))

    def declare(self, job):
        self.queue(job)(self.channel).declare()

    def publish(self, job):
        body = base64.b64decode(job["base64"]) if "base64" in job else job["body"]
        exchange = Exchange(job["exchange"], job["type"]) if job.get("exchange") else Exchange("")
        Producer(self.channel, exchange=exchange).publish(
            body, routing_key=job.get("routing_key", ""), **job.get("options", {})
        )

    def describe(self, message):
        payload = message.payload
        if isinstance(payload, bytes):
            payload = {"base64": base64.b64encode(payload).decode()}
        return {
            "payload": payload,
            "content_type": message.content_type,
            "headers": message.headers,
            "properties": message.properties,
            "delivery_info": message.delivery_info,
            "tag": message.delivery_tag,
        }

    def get(self, job):
        message = Queue(job["queue"])(self.channel).get(
            accept=job.get("accept", ["json", "text/plain", "application/data"])
        )
        if message is None:
            return None
        answer = self.describe(message)
        self.held[message.delivery_tag] = message
        if job.get("settle"):
            getattr(self.held.pop(message.delivery_tag), job["settle"])()
        return answer

    def settle(self, job):
        getattr(self.held.pop(job["tag"]), job["how"])()

    def consume(self, job):
        consumer = Consumer(self.channel, [self.queue(job)], accept=["json", "text/plain"], callbacks=[self.on_message])
        consumer.consume()
        self.consumers.append(consumer)
        # The first answer on the socket is that of the subscription.
        try:
            self.connection.drain_events(timeout=0.2)
        except socket.timeout:
            pass

    def on_message(self, body, message):
        self.received.append(body)
        message.ack()

    def drain(self, job):
        for _ in range(100):
            if len(self.received) >= job["count"]:
                break
            try:
                self.connection.drain_events(timeout=0.1)
            except socket.timeout:
                pass
        received, self.received = self.received, []
        return received

    def sweep(self, job):
        """What a consumer does now and then: restores what is older than its own visibility timeout."""
        self.channel.qos.restore_visible(interval=1)

    def release(self, job):
        self.connection.release()


def main():
    url, options = sys.argv[1], json.loads(sys.argv[2])
    peer = Peer(url, options)
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = getattr(peer, job["verb"])(job)
            print("answer " + json.dumps({"id": job["id"], "ok": answer}), flush=True)
        except Exception as error:
            print("answer " + json.dumps({"id": job["id"], "error": repr(error)}), flush=True)


main()
