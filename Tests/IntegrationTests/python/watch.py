"""A Watch that the server ends."""

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from checks import expect, write_line
from client import Client, connect


def run(socket):
    with connect(socket) as channel:
        watch = Client(channel).health.Watch(HealthCheckRequest())
        try:
            for reply in watch:
                write_line(HealthCheckResponse.ServingStatus.Name(reply.status))
        except grpc.RpcError:
            expect("code", grpc.StatusCode.UNAVAILABLE, watch.code())
        write_line(f"end {watch.code().name}")
    return 0
