"""The services as the server describes them; no generated code of theirs is imported."""

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from checks import CALL_TIMEOUT, expect, new_session, run_steps

METHODS = {
    "feedback.v1.FeedbackService": [
        "AddFeedback", "ListFeedbacks", "GetMetrics", "WatchFeedbacks"
    ],
    "feedback.v1.DeliveryService": [
        "ListDestinations",
        "PauseDestination",
        "ResumeDestination",
        "RewindDestination",
        "TestDestination",
        "ListDeliveries",
        "RetryDeliveries",
        "DropDeliveries",
    ],
    "feedback.v1.AdminService": ["GetStatus"],
    "feedback.v1.SessionService": ["UpdateMetadata", "GetMetadata", "DeleteMetadata"],
    "grpc.health.v1.Health": ["Check", "Watch"],
    "grpc.reflection.v1.ServerReflection": ["ServerReflectionInfo"],
    "grpc.reflection.v1alpha.ServerReflection": ["ServerReflectionInfo"],
}


def run(socket):
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        return run_steps(
            [services_are_listed, services_are_described, a_call_without_the_proto_files],
            channel,
            database,
        )


def services_are_listed(_, database):
    expect("services", sorted(METHODS), sorted(database.get_services()))


def services_are_described(_, database):
    pool = DescriptorPool(database)
    for name, methods in METHODS.items():
        service = pool.FindServiceByName(name)
        expect(f"methods of {name}", methods, [method.name for method in service.methods])


def a_call_without_the_proto_files(channel, database):
    service = DescriptorPool(database).FindServiceByName("feedback.v1.FeedbackService")
    method = service.FindMethodByName("AddFeedback")
    request_class, reply_class = GetMessageClass(method.input_type), GetMessageClass(
        method.output_type
    )
    add = channel.unary_unary(
        f"/{service.full_name}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=reply_class.FromString,
    )
    request = request_class(
        session_id=new_session("reflection"), comment="by reflection", tags=["a", "b"]
    )
    feedback = add(request, timeout=CALL_TIMEOUT).feedback
    expect("comment", "by reflection", feedback.comment)
    expect("tags", ["a", "b"], list(feedback.tags))
    expect("created_at", True, feedback.created_at.seconds > 0)
