"""Python's end of broadcast-python.test.ts: a Broadcast queue of real kombu. Prints `got BODY`, and publishes its lines of input.

broadcast.py URL NAME
"""

import socket
import sys
import threading

from kombu import Connection, Exchange, Producer
from kombu.common import Broadcast


def main():
    url, name = sys.argv[1:]
    ended = threading.Event()

    def publish():
        with Connection(url) as own:
            for line in sys.stdin:
                Producer(own.default_channel, exchange=Exchange(name, "fanout")).publish(line.strip())
        ended.set()

    def show(body, message):
        print(f"got {body}", flush=True)
        message.ack()

    with Connection(url) as connection:
        queue = Broadcast(name)
        with connection.Consumer(queue, callbacks=[show], accept=["json", "text/plain"]):
            try:
                connection.drain_events(timeout=0.3)  # On Redis the subscription's own answer comes first.
            except socket.timeout:
                pass
            print(f"ready {queue.name}", flush=True)
            threading.Thread(target=publish, daemon=True).start()
            while not ended.is_set():
                try:
                    connection.drain_events(timeout=0.2)
                except socket.timeout:
                    pass


main()
