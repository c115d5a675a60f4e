from feedbackd._proto import delivery_pb2 as _delivery_pb2
from feedbackd._proto import feedback_pb2 as _feedback_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from feedbackd._proto import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AssignIDsRequest(_message.Message):
    __slots__ = ["session_id"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class AssignIDsResponse(_message.Message):
    __slots__ = ["assigned"]
    ASSIGNED_FIELD_NUMBER: _ClassVar[int]
    assigned: int
    def __init__(self, assigned: _Optional[int] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ["data"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class CheckStoreRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CheckStoreResponse(_message.Message):
    __slots__ = ["faults"]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    faults: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, faults: _Optional[_Iterable[str]] = ...) -> None: ...

class EraseFeedbacksRequest(_message.Message):
    __slots__ = ["author_id", "created_before", "feedback_ids", "session_id"]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_IDS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    author_id: str
    created_before: _timestamp_pb2.Timestamp
    feedback_ids: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., author_id: _Optional[str] = ..., feedback_ids: _Optional[_Iterable[str]] = ..., created_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EraseFeedbacksResponse(_message.Message):
    __slots__ = ["erased"]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    erased: int
    def __init__(self, erased: _Optional[int] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ["destinations", "position", "purge_held_by", "purged", "started_at", "store", "unreplicated", "unreplicated_since", "version"]
    DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    PURGE_HELD_BY_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    UNREPLICATED_FIELD_NUMBER: _ClassVar[int]
    UNREPLICATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    destinations: _containers.RepeatedCompositeFieldContainer[_delivery_pb2.Destination]
    position: str
    purge_held_by: str
    purged: bool
    started_at: _timestamp_pb2.Timestamp
    store: str
    unreplicated: int
    unreplicated_since: _timestamp_pb2.Timestamp
    version: str
    def __init__(self, version: _Optional[str] = ..., started_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., store: _Optional[str] = ..., position: _Optional[str] = ..., destinations: _Optional[_Iterable[_Union[_delivery_pb2.Destination, _Mapping]]] = ..., unreplicated: _Optional[int] = ..., unreplicated_since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., purged: bool = ..., purge_held_by: _Optional[str] = ...) -> None: ...

class ImportFeedbacksRequest(_message.Message):
    __slots__ = ["feedbacks"]
    FEEDBACKS_FIELD_NUMBER: _ClassVar[int]
    feedbacks: _containers.RepeatedCompositeFieldContainer[_feedback_pb2.Feedback]
    def __init__(self, feedbacks: _Optional[_Iterable[_Union[_feedback_pb2.Feedback, _Mapping]]] = ...) -> None: ...

class ImportFeedbacksResponse(_message.Message):
    __slots__ = ["added", "refusals", "refused", "replaced", "skipped", "unchanged"]
    class Refusal(_message.Message):
        __slots__ = ["feedback_id", "index", "status"]
        FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
        INDEX_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        feedback_id: str
        index: int
        status: _status_pb2.Status
        def __init__(self, index: _Optional[int] = ..., feedback_id: _Optional[str] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    added: int
    refusals: _containers.RepeatedCompositeFieldContainer[ImportFeedbacksResponse.Refusal]
    refused: int
    replaced: int
    skipped: int
    unchanged: int
    def __init__(self, added: _Optional[int] = ..., replaced: _Optional[int] = ..., unchanged: _Optional[int] = ..., skipped: _Optional[int] = ..., refused: _Optional[int] = ..., refusals: _Optional[_Iterable[_Union[ImportFeedbacksResponse.Refusal, _Mapping]]] = ...) -> None: ...

class VacuumRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class VacuumResponse(_message.Message):
    __slots__ = ["bytes_after", "bytes_before"]
    BYTES_AFTER_FIELD_NUMBER: _ClassVar[int]
    BYTES_BEFORE_FIELD_NUMBER: _ClassVar[int]
    bytes_after: int
    bytes_before: int
    def __init__(self, bytes_before: _Optional[int] = ..., bytes_after: _Optional[int] = ...) -> None: ...
