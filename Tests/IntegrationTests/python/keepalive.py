"""Keepalive pings of an honest client."""

import os
import time

# The library reads this when it is imported; only its log shows the pings.
os.environ.update(GRPC_VERBOSITY="debug", GRPC_TRACE="http_keepalive")

import grpc
from feedback.v1 import feedback_pb2 as fb
from grpc_health.v1 import health_pb2

from checks import expect, run_steps
from client import Client, connect


def run(socket):
    return run_steps([pings_are_answered_and_do_no_harm], socket)


def pings_are_answered_and_do_no_harm(socket):
    """With a stream open first, then on an idle connection.

    The library reports a connection that is closed for its pings, and one whose pings are not
    answered, by another state than READY.
    """
    states = []
    channel = connect(
        socket,
        keepalive_time_ms=1000,
        keepalive_timeout_ms=1000,
        keepalive_permit_without_calls=1,
        **{"http2.max_pings_without_data": 0},
    )
    with channel:
        channel.subscribe(states.append)
        client = Client(channel)
        watch = client.health.Watch(health_pb2.HealthCheckRequest())
        expect("status", health_pb2.HealthCheckResponse.SERVING, next(watch).status)
        time.sleep(3.5)
        client.get_metrics(fb.GetMetricsRequest())
        expect("watch still open", True, watch.is_active())
        watch.cancel()
        time.sleep(3.5)
        client.get_metrics(fb.GetMetricsRequest())
    ready = grpc.ChannelConnectivity.READY
    expect("states after READY", [ready], states[states.index(ready) :])
