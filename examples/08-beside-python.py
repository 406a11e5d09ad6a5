# Takes what 08-beside-python.ts sends, and answers. Needs Python's kombu and the client of the broker: pip install "kombu[redis]"
# (on Debian python3-kombu and python3-redis).
import os
import sys

from kombu import Connection

with Connection(os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0")) as connection:
    to_python = connection.SimpleQueue("to-python")
    to_node = connection.SimpleQueue("to-node")

    try:
        message = to_python.get(timeout=30)
    except to_python.Empty:
        sys.exit("nobody asked: run examples/08-beside-python.ts, with the same BROKER_URL")
    print("asked by", message.headers["from"], message.payload)
    to_node.put({"sum": sum(message.payload["numbers"])}, headers={"from": "Python"})
    message.ack()
