"""The connection and the generated stubs, bound to a timeout."""

import functools

import grpc
from feedback.v1 import feedback_pb2_grpc, session_pb2_grpc
from grpc_health.v1 import health_pb2_grpc

from checks import CALL_TIMEOUT


def connect(socket, compression=None, **options):
    """Opens a channel whose connection no other channel shares.

    Options are gRPC's without the prefix: `keepalive_time_ms=1000`.
    """
    options = {f"grpc.{name}": value for name, value in options.items()}
    options["grpc.use_local_subchannel_pool"] = 1
    return grpc.insecure_channel(
        f"unix:{socket}", options=list(options.items()), compression=compression
    )


class Client:
    """All methods by their names, as `client.add_feedback(request)`."""

    def __init__(self, channel):
        self.channel = channel
        self.feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        self.session = session_pb2_grpc.SessionServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)

        def bind(method):
            return functools.partial(method, timeout=CALL_TIMEOUT)

        self.add_feedback = bind(self.feedback.AddFeedback)
        self.list_feedbacks = bind(self.feedback.ListFeedbacks)
        self.get_metrics = bind(self.feedback.GetMetrics)
        self.update_metadata = bind(self.session.UpdateMetadata)
        self.get_metadata = bind(self.session.GetMetadata)
        self.delete_metadata = bind(self.session.DeleteMetadata)

    def raw(self, path):
        """Returns a method whose messages are bytes, for calls that the stubs do not make."""
        method = self.channel.unary_unary(
            path, request_serializer=bytes, response_deserializer=bytes
        )
        return functools.partial(method, timeout=CALL_TIMEOUT)
