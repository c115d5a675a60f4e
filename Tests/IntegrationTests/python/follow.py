"""A WatchFeedbacks that the server ends: "KIND COMMENT" for a change, and "at" for a heartbeat."""

import grpc
from feedback.v1 import feedback_pb2 as fb

from checks import write_line
from client import Client, connect


def run(socket):
    with connect(socket) as channel:
        watch = Client(channel).feedback.WatchFeedbacks(fb.WatchFeedbacksRequest(follow=True))
        try:
            for reply in watch:
                if reply.WhichOneof("event") == "change":
                    kind = fb.Change.Kind.Name(reply.change.kind)
                    write_line(f"{kind} {reply.change.feedback.comment}")
                else:
                    write_line("at")
        except grpc.RpcError:
            pass
        write_line(f"end {watch.code().name}")
    return 0
