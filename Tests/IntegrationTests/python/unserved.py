"""What the .proto files declare and the daemon does not serve is refused with UNIMPLEMENTED: methods,
and fields of requests, which must not be acknowledged and dropped."""

import grpc
from feedback.v1 import admin_pb2, delivery_pb2, hook_pb2
from feedback.v1 import feedback_pb2 as fb
from feedback.v1 import session_pb2 as ss
from feedback.v1 import value_pb2
from google.protobuf.struct_pb2 import Struct

from checks import expect, expect_error, new_session, run_steps
from client import Client, connect
from reflection import METHODS

FILES = [admin_pb2, delivery_pb2, fb, hook_pb2, ss, value_pb2]
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


def run(socket):
    with connect(socket) as channel:
        code = run_steps([methods, fields_of_an_add, other_fields], Client(channel))
    if code == 0:
        for service, method in unserved():
            print(service, method)
    return code


def declared():
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield service.full_name, method.name


def unserved():
    return [
        (service, method) for service, method in declared() if method not in METHODS.get(service, [])
    ]


def methods(client):
    expect("there are some", True, len(unserved()) > 0)
    for service, method in declared():
        call = client.raw(f"/{service}/{method}")
        if (service, method) in unserved():
            expect_error(method, UNIMPLEMENTED, "", lambda: call(b""))
            continue
        try:
            call(b"")
        except grpc.RpcError as error:
            expect(f"{method} is there", True, error.code() != UNIMPLEMENTED)


def filled(message, field):
    """Sets a field to something, which may be its default if the message knows the difference."""
    value = getattr(message, field.name)
    if field.message_type and field.message_type.GetOptions().map_entry:
        value["k"] = "v"
    elif field.message_type:
        value.SetInParent()
    elif hasattr(value, "append"):
        value.append("")
    elif field.type == field.TYPE_STRING:
        setattr(message, field.name, "x")
    else:
        setattr(message, field.name, 0 if field.containing_oneof else 1)
    return message


def refuse(call, message, numbers):
    """Every field with one of these numbers, alone, is refused by its name."""
    fields = [field for field in message.DESCRIPTOR.fields if field.number in numbers]
    expect("fields", len(numbers), len(fields))
    for field in fields:
        request = type(message)()
        request.CopyFrom(message)
        request = filled(request, field)
        expect_error(
            field.name, UNIMPLEMENTED, f"{field.name} is not served yet", lambda: call(request)
        )


def fields_of_an_add(client):
    session = new_session("unserved")
    request = fb.AddFeedbackRequest(session_id=session, comment="a comment")
    refuse(client.add_feedback, request, range(10, 19))
    listed = client.list_feedbacks(fb.ListFeedbacksRequest(session_id=session))
    expect("stored", 0, listed.total_size)
    expect("acknowledged", "a comment", client.add_feedback(request).feedback.comment)


def other_fields(client):
    session = new_session("unserved")
    refuse(client.list_feedbacks, fb.ListFeedbacksRequest(), range(10, 19))

    def watch(selected):
        return next(client.feedback.WatchFeedbacks(fb.WatchFeedbacksRequest(filter=selected)))

    refuse(watch, fb.FeedbackFilter(), range(10, 19))
    refuse(client.get_metrics, fb.GetMetricsRequest(), [7, 8, *range(10, 19)])
    for group_by in range(fb.GROUP_BY_AGENT, fb.GROUP_BY_ATTRIBUTE + 1):
        request = fb.GetMetricsRequest(group_by=group_by)
        expect_error("grouping", UNIMPLEMENTED, "group_by", lambda: client.get_metrics(request))
    metadata = Struct()
    metadata["a"] = 1
    update = ss.UpdateMetadataRequest(session_id=session, metadata=metadata)
    refuse(client.update_metadata, update, [3, 4, 5])
    expect_error(
        "nothing was written",
        grpc.StatusCode.NOT_FOUND,
        "",
        lambda: client.get_metadata(ss.GetMetadataRequest(session_id=session)),
    )
    client.update_metadata(update)
    refuse(client.get_metadata, ss.GetMetadataRequest(session_id=session), [4])
    delete = ss.DeleteMetadataRequest(session_id=session, keys=["a"])
    refuse(client.delete_metadata, delete, [4, 5])
    left = client.get_metadata(ss.GetMetadataRequest(session_id=session)).metadata
    expect("left", 1, left["a"])
