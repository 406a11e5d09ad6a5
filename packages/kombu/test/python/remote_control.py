"""Real kombu at the other end of remote-control-python.test.ts.

remote_control.py URL node NAME TYPE         a pidbox node, until its input ends; writes what it is told
remote_control.py URL control TYPE VERB ARGS a mailbox's cast, abcast, call or multi_call; writes the replies
remote_control.py URL serve QUEUE            answers requests with send_reply, until its input ends
remote_control.py URL ask QUEUE BODY         sends a request and collects its reply
"""

import json
import socket
import sys
import threading

from kombu import Connection, Consumer, Exchange, Producer, Queue, pidbox, uuid
from kombu.common import collect_replies, send_reply

TIMEOUT = 20


def until_input_ends(connection):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", flush=True)
    while not ended.is_set():
        try:
            connection.drain_events(timeout=0.2)
        except socket.timeout:
            pass


def node(connection, name, kind):
    def ping(state, **arguments):
        return {"ok": "pong", "kw": arguments}

    def tell(state, **arguments):
        print("told", json.dumps(arguments), flush=True)

    def fail(state):
        raise ValueError("too much")

    mailbox = pidbox.Mailbox(f"{kind}-ns", type=kind, connection=connection)
    channel = connection.channel()
    own = mailbox.Node(name, state=None, channel=channel, handlers={"ping": ping, "tell": tell, "fail": fail})
    own.listen(channel=channel)
    until_input_ends(connection)


def control(connection, kind, verb, arguments):
    mailbox = pidbox.Mailbox(f"{kind}-ns", type=kind, connection=connection)
    call = json.loads(arguments)
    broadcast = {"pattern": call.pop("pattern", None), "matcher": call.pop("matcher", None)}
    if broadcast["pattern"] is None:
        replies = getattr(mailbox, verb)(**call)
    else:
        replies = mailbox._broadcast(reply=True, **call, **broadcast)
    print(json.dumps(replies), flush=True)


def serve(connection, name):
    with connection.channel() as channel:

        def answer(body, message):
            send_reply(Exchange(""), message, {"answer": body["question"] * 2}, Producer(channel))
            message.ack()

        with Consumer(channel, Queue(name, no_declare=True), callbacks=[answer]):
            until_input_ends(connection)


def ask(connection, name, body):
    with connection.channel() as channel:
        replies = Queue(uuid(), durable=False, auto_delete=True, expires=60)(channel)
        replies.declare()
        Producer(channel).publish(
            json.loads(body), exchange="", routing_key=name, reply_to=replies.name, correlation_id="c-1"
        )
        print(json.dumps(list(collect_replies(connection, channel, replies, timeout=TIMEOUT))), flush=True)


def main():
    url, verb, *rest = sys.argv[1:]
    with Connection(url, connect_timeout=TIMEOUT) as connection:
        {"node": node, "control": control, "serve": serve, "ask": ask}[verb](connection, *rest)


main()
