"""Adds on many connections until the server ends."""

import asyncio
import sys
import uuid

import grpc
from feedback.v1 import feedback_pb2 as fb
from feedback.v1 import feedback_pb2_grpc

from checks import write_line


def run(socket, session, count):
    failures = asyncio.run(add_on_all(socket, session, int(count)))
    for failure in failures:
        print(f"load: {failure}", file=sys.stderr)
    return 1 if failures else 0


async def add_on_all(socket, session, count):
    run_id = f"{session}-{uuid.uuid4().hex}"
    ends = [add_until_the_end(socket, session, f"{run_id}-{index}") for index in range(count)]
    return [failure for failure in await asyncio.gather(*ends) if failure]


async def add_until_the_end(socket, session, adder):
    """Returns the error; the end of the server, which UNAVAILABLE reports, is none."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        add = feedback_pb2_grpc.FeedbackServiceStub(channel).AddFeedback
        count = 0
        while True:
            request_id = f"{adder}-{count}"
            request = fb.AddFeedbackRequest(
                session_id=session, comment=f"load {request_id}", request_id=request_id
            )
            try:
                reply = await add(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                if error.code() == grpc.StatusCode.UNAVAILABLE and count > 0:
                    return None
                return f"{request_id}: {error.code()}: {error.details()}"
            if reply.feedback.comment != request.comment:
                return f"{request_id}: another feedback: {reply.feedback}"
            write_line(f"ack {request_id} {reply.feedback.feedback_id}")
            count += 1
