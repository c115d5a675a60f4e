from feedbackd._proto import admin_pb2 as _admin_pb2
from feedbackd._proto import delivery_pb2 as _delivery_pb2
from feedbackd._proto import feedback_pb2 as _feedback_pb2
from feedbackd._proto import session_pb2 as _session_pb2
from feedbackd._proto import status_pb2 as _status_pb2
from feedbackd._proto import health_pb2 as _health_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AddFeedbackReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _feedback_pb2.AddFeedbackResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_feedback_pb2.AddFeedbackResponse, _Mapping]] = ...) -> None: ...

class CheckReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _health_pb2.HealthCheckResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_health_pb2.HealthCheckResponse, _Mapping]] = ...) -> None: ...

class DeleteMetadataReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _session_pb2.DeleteMetadataResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_session_pb2.DeleteMetadataResponse, _Mapping]] = ...) -> None: ...

class DropDeliveriesReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.DropDeliveriesResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.DropDeliveriesResponse, _Mapping]] = ...) -> None: ...

class GetMetadataReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _session_pb2.GetMetadataResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_session_pb2.GetMetadataResponse, _Mapping]] = ...) -> None: ...

class GetMetricsReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _feedback_pb2.GetMetricsResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_feedback_pb2.GetMetricsResponse, _Mapping]] = ...) -> None: ...

class GetStatusReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _admin_pb2.GetStatusResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_admin_pb2.GetStatusResponse, _Mapping]] = ...) -> None: ...

class ListDeliveriesReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.ListDeliveriesResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.ListDeliveriesResponse, _Mapping]] = ...) -> None: ...

class ListDestinationsReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.ListDestinationsResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.ListDestinationsResponse, _Mapping]] = ...) -> None: ...

class ListFeedbacksReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _feedback_pb2.ListFeedbacksResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_feedback_pb2.ListFeedbacksResponse, _Mapping]] = ...) -> None: ...

class PauseDestinationReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.PauseDestinationResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.PauseDestinationResponse, _Mapping]] = ...) -> None: ...

class ResumeDestinationReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.ResumeDestinationResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.ResumeDestinationResponse, _Mapping]] = ...) -> None: ...

class RetryDeliveriesReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.RetryDeliveriesResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.RetryDeliveriesResponse, _Mapping]] = ...) -> None: ...

class RewindDestinationReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.RewindDestinationResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.RewindDestinationResponse, _Mapping]] = ...) -> None: ...

class TestDestinationReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _delivery_pb2.TestDestinationResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_delivery_pb2.TestDestinationResponse, _Mapping]] = ...) -> None: ...

class UpdateMetadataReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _session_pb2.UpdateMetadataResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_session_pb2.UpdateMetadataResponse, _Mapping]] = ...) -> None: ...

class WatchFeedbacksReply(_message.Message):
    __slots__ = ["payload", "status"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payload: _feedback_pb2.WatchFeedbacksResponse
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., payload: _Optional[_Union[_feedback_pb2.WatchFeedbacksResponse, _Mapping]] = ...) -> None: ...
