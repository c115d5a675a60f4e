"""Check and Watch with the stubs of grpcio-health-checking."""

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from checks import CALL_TIMEOUT, expect, expect_error, run_steps
from client import Client, connect

SERVICES = ("", "feedback.v1.FeedbackService", "feedback.v1.SessionService")


def run(socket):
    with connect(socket) as channel:
        return run_steps(
            [
                check_answers,
                check_of_an_unknown_service,
                watch_begins_with_the_state,
                watch_of_an_unknown_service,
            ],
            Client(channel).health,
        )


def check_answers(health):
    for service in SERVICES:
        reply = health.Check(HealthCheckRequest(service=service), timeout=CALL_TIMEOUT)
        expect(f"status of {service!r}", HealthCheckResponse.SERVING, reply.status)


def check_of_an_unknown_service(health):
    request = HealthCheckRequest(service="feedback.v1.Unknown")
    expect_error(
        "check",
        grpc.StatusCode.NOT_FOUND,
        "",
        lambda: health.Check(request, timeout=CALL_TIMEOUT),
    )


def watch_begins_with_the_state(health):
    for service in SERVICES:
        watch = health.Watch(HealthCheckRequest(service=service))
        expect(f"status of {service!r}", HealthCheckResponse.SERVING, next(watch).status)
        watch.cancel()
        expect("code", grpc.StatusCode.CANCELLED, watch.code())


def watch_of_an_unknown_service(health):
    """The watch continues: the service may appear (a rule of the health checking protocol)."""
    watch = health.Watch(HealthCheckRequest(service="feedback.v1.Unknown"))
    expect("status", HealthCheckResponse.SERVICE_UNKNOWN, next(watch).status)
    expect("active", True, watch.is_active())
    watch.cancel()
