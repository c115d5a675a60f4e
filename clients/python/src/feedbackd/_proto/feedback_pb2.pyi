from feedbackd._proto import value_pb2 as _value_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from feedbackd._proto import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

AUTHOR_SOURCE_CODE: AuthorSource
AUTHOR_SOURCE_HUMAN: AuthorSource
AUTHOR_SOURCE_MODEL: AuthorSource
AUTHOR_SOURCE_UNSPECIFIED: AuthorSource
DESCRIPTOR: _descriptor.FileDescriptor
GROUP_BY_AGENT: GroupBy
GROUP_BY_ATTRIBUTE: GroupBy
GROUP_BY_AUTHOR: GroupBy
GROUP_BY_DAY: GroupBy
GROUP_BY_HOUR: GroupBy
GROUP_BY_KEY: GroupBy
GROUP_BY_LABEL: GroupBy
GROUP_BY_METADATA: GroupBy
GROUP_BY_REASON: GroupBy
GROUP_BY_SESSION: GroupBy
GROUP_BY_TAG: GroupBy
GROUP_BY_UNSPECIFIED: GroupBy
RATING_DOWN: Rating
RATING_UNSPECIFIED: Rating
RATING_UP: Rating

class AddFeedbackRequest(_message.Message):
    __slots__ = ["agent_id", "attributes", "author", "comment", "correction", "extra", "key", "label", "message_id", "rating", "reasons", "request_id", "response_id", "score", "session_id", "span_id", "tags", "trace_id"]
    class AttributesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author: Author
    comment: str
    correction: str
    extra: _value_pb2.Document
    key: str
    label: str
    message_id: str
    rating: Rating
    reasons: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    response_id: str
    score: float
    session_id: str
    span_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    trace_id: str
    def __init__(self, session_id: _Optional[str] = ..., rating: _Optional[_Union[Rating, str]] = ..., comment: _Optional[str] = ..., request_id: _Optional[str] = ..., message_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., author: _Optional[_Union[Author, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., key: _Optional[str] = ..., score: _Optional[float] = ..., label: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., correction: _Optional[str] = ..., trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., response_id: _Optional[str] = ..., extra: _Optional[_Union[_value_pb2.Document, _Mapping]] = ...) -> None: ...

class AddFeedbackResponse(_message.Message):
    __slots__ = ["feedback", "replayed"]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    feedback: Feedback
    replayed: bool
    def __init__(self, feedback: _Optional[_Union[Feedback, _Mapping]] = ..., replayed: bool = ...) -> None: ...

class Author(_message.Message):
    __slots__ = ["id", "source"]
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: AuthorSource
    def __init__(self, source: _Optional[_Union[AuthorSource, str]] = ..., id: _Optional[str] = ...) -> None: ...

class BatchAddFeedbacksRequest(_message.Message):
    __slots__ = ["requests"]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[AddFeedbackRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[AddFeedbackRequest, _Mapping]]] = ...) -> None: ...

class BatchAddFeedbacksResponse(_message.Message):
    __slots__ = ["results"]
    class Result(_message.Message):
        __slots__ = ["created_at", "feedback_id", "replayed", "revision", "status"]
        CREATED_AT_FIELD_NUMBER: _ClassVar[int]
        FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
        REPLAYED_FIELD_NUMBER: _ClassVar[int]
        REVISION_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        created_at: _timestamp_pb2.Timestamp
        feedback_id: str
        replayed: bool
        revision: int
        status: _status_pb2.Status
        def __init__(self, feedback_id: _Optional[str] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ..., replayed: bool = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchAddFeedbacksResponse.Result]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchAddFeedbacksResponse.Result, _Mapping]]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ["feedback", "kind", "position"]
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    KIND_ADDED: Change.Kind
    KIND_DELETED: Change.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    KIND_LEFT: Change.Kind
    KIND_UNSPECIFIED: Change.Kind
    KIND_UPDATED: Change.Kind
    POSITION_FIELD_NUMBER: _ClassVar[int]
    feedback: Feedback
    kind: Change.Kind
    position: str
    def __init__(self, position: _Optional[str] = ..., kind: _Optional[_Union[Change.Kind, str]] = ..., feedback: _Optional[_Union[Feedback, _Mapping]] = ...) -> None: ...

class DeleteFeedbackRequest(_message.Message):
    __slots__ = ["expected_revision", "feedback_id", "request_id"]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    expected_revision: int
    feedback_id: str
    request_id: str
    def __init__(self, feedback_id: _Optional[str] = ..., expected_revision: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteFeedbackResponse(_message.Message):
    __slots__ = ["replayed"]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    replayed: bool
    def __init__(self, replayed: bool = ...) -> None: ...

class Feedback(_message.Message):
    __slots__ = ["agent_id", "attributes", "author", "comment", "correction", "created_at", "extra", "feedback_id", "key", "label", "message_id", "rating", "reasons", "recorder", "response_id", "revision", "score", "session_id", "span_id", "tags", "trace_id", "updated_at"]
    class AttributesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    RECORDER_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author: Author
    comment: str
    correction: str
    created_at: _timestamp_pb2.Timestamp
    extra: _value_pb2.Document
    feedback_id: str
    key: str
    label: str
    message_id: str
    rating: Rating
    reasons: _containers.RepeatedScalarFieldContainer[str]
    recorder: Recorder
    response_id: str
    revision: int
    score: float
    session_id: str
    span_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    trace_id: str
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, feedback_id: _Optional[str] = ..., session_id: _Optional[str] = ..., rating: _Optional[_Union[Rating, str]] = ..., comment: _Optional[str] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., author: _Optional[_Union[Author, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., key: _Optional[str] = ..., score: _Optional[float] = ..., label: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., correction: _Optional[str] = ..., trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., response_id: _Optional[str] = ..., recorder: _Optional[_Union[Recorder, _Mapping]] = ..., revision: _Optional[int] = ..., extra: _Optional[_Union[_value_pb2.Document, _Mapping]] = ...) -> None: ...

class FeedbackFilter(_message.Message):
    __slots__ = ["agent_id", "attributes", "author_id", "author_source", "created_at_or_after", "created_before", "has_comment", "keys", "message_id", "ratings", "reasons", "session_id", "tags", "text", "trace_id"]
    class AttributesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_SOURCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_OR_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    HAS_COMMENT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author_id: str
    author_source: AuthorSource
    created_at_or_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    has_comment: bool
    keys: _containers.RepeatedScalarFieldContainer[str]
    message_id: str
    ratings: _containers.RepeatedScalarFieldContainer[Rating]
    reasons: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    text: str
    trace_id: str
    def __init__(self, session_id: _Optional[str] = ..., ratings: _Optional[_Iterable[_Union[Rating, str]]] = ..., created_at_or_after: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., has_comment: bool = ..., agent_id: _Optional[str] = ..., author_id: _Optional[str] = ..., author_source: _Optional[_Union[AuthorSource, str]] = ..., keys: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., text: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., trace_id: _Optional[str] = ...) -> None: ...

class GetFeedbackRequest(_message.Message):
    __slots__ = ["feedback_id", "with_revisions"]
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_REVISIONS_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    with_revisions: bool
    def __init__(self, feedback_id: _Optional[str] = ..., with_revisions: bool = ...) -> None: ...

class GetFeedbackResponse(_message.Message):
    __slots__ = ["feedback", "revisions", "revisions_truncated"]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    feedback: Feedback
    revisions: _containers.RepeatedCompositeFieldContainer[Feedback]
    revisions_truncated: bool
    def __init__(self, feedback: _Optional[_Union[Feedback, _Mapping]] = ..., revisions: _Optional[_Iterable[_Union[Feedback, _Mapping]]] = ..., revisions_truncated: bool = ...) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = ["agent_id", "attributes", "author_id", "author_source", "created_at_or_after", "created_before", "group_by", "keys", "metadata_key", "page_size", "page_token", "reasons", "session_id", "tags", "text", "trace_id"]
    class AttributesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_SOURCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_OR_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    METADATA_KEY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author_id: str
    author_source: AuthorSource
    created_at_or_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    group_by: GroupBy
    keys: _containers.RepeatedScalarFieldContainer[str]
    metadata_key: str
    page_size: int
    page_token: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    text: str
    trace_id: str
    def __init__(self, session_id: _Optional[str] = ..., created_at_or_after: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., group_by: _Optional[_Union[GroupBy, str]] = ..., metadata_key: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., agent_id: _Optional[str] = ..., author_id: _Optional[str] = ..., author_source: _Optional[_Union[AuthorSource, str]] = ..., keys: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., text: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., trace_id: _Optional[str] = ...) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ["groups", "metrics", "next_page_token"]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[MetricsGroup]
    metrics: Metrics
    next_page_token: str
    def __init__(self, metrics: _Optional[_Union[Metrics, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[MetricsGroup, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListFeedbacksRequest(_message.Message):
    __slots__ = ["agent_id", "attributes", "author_id", "author_source", "created_at_or_after", "created_before", "has_comment", "keys", "message_id", "newest_first", "page_size", "page_token", "ratings", "reasons", "session_id", "tags", "text", "trace_id"]
    class AttributesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_SOURCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_OR_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    HAS_COMMENT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author_id: str
    author_source: AuthorSource
    created_at_or_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    has_comment: bool
    keys: _containers.RepeatedScalarFieldContainer[str]
    message_id: str
    newest_first: bool
    page_size: int
    page_token: str
    ratings: _containers.RepeatedScalarFieldContainer[Rating]
    reasons: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    text: str
    trace_id: str
    def __init__(self, session_id: _Optional[str] = ..., ratings: _Optional[_Iterable[_Union[Rating, str]]] = ..., created_at_or_after: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., has_comment: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., newest_first: bool = ..., agent_id: _Optional[str] = ..., author_id: _Optional[str] = ..., author_source: _Optional[_Union[AuthorSource, str]] = ..., keys: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., text: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., trace_id: _Optional[str] = ...) -> None: ...

class ListFeedbacksResponse(_message.Message):
    __slots__ = ["feedbacks", "next_page_token", "total_is_lower_bound", "total_size"]
    FEEDBACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_IS_LOWER_BOUND_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    feedbacks: _containers.RepeatedCompositeFieldContainer[Feedback]
    next_page_token: str
    total_is_lower_bound: bool
    total_size: int
    def __init__(self, feedbacks: _Optional[_Iterable[_Union[Feedback, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., total_is_lower_bound: bool = ...) -> None: ...

class Metrics(_message.Message):
    __slots__ = ["approval_rate", "average_comment_length", "average_score", "negative", "neutral", "positive", "satisfaction_rate", "score_count", "total"]
    APPROVAL_RATE_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_COMMENT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_SCORE_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    NEUTRAL_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    SATISFACTION_RATE_FIELD_NUMBER: _ClassVar[int]
    SCORE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    approval_rate: float
    average_comment_length: float
    average_score: float
    negative: int
    neutral: int
    positive: int
    satisfaction_rate: float
    score_count: int
    total: int
    def __init__(self, total: _Optional[int] = ..., positive: _Optional[int] = ..., negative: _Optional[int] = ..., neutral: _Optional[int] = ..., average_comment_length: _Optional[float] = ..., satisfaction_rate: _Optional[float] = ..., approval_rate: _Optional[float] = ..., score_count: _Optional[int] = ..., average_score: _Optional[float] = ...) -> None: ...

class MetricsGroup(_message.Message):
    __slots__ = ["key", "metrics"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    key: str
    metrics: Metrics
    def __init__(self, key: _Optional[str] = ..., metrics: _Optional[_Union[Metrics, _Mapping]] = ...) -> None: ...

class Recorder(_message.Message):
    __slots__ = ["host", "pid", "uid"]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    host: str
    pid: int
    uid: int
    def __init__(self, host: _Optional[str] = ..., uid: _Optional[int] = ..., pid: _Optional[int] = ...) -> None: ...

class SetFeedbackRequest(_message.Message):
    __slots__ = ["feedback", "retract"]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    RETRACT_FIELD_NUMBER: _ClassVar[int]
    feedback: AddFeedbackRequest
    retract: bool
    def __init__(self, feedback: _Optional[_Union[AddFeedbackRequest, _Mapping]] = ..., retract: bool = ...) -> None: ...

class SetFeedbackResponse(_message.Message):
    __slots__ = ["feedback", "outcome", "replayed"]
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_ADDED: SetFeedbackResponse.Outcome
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_REPLACED: SetFeedbackResponse.Outcome
    OUTCOME_RETRACTED: SetFeedbackResponse.Outcome
    OUTCOME_UNCHANGED: SetFeedbackResponse.Outcome
    OUTCOME_UNSPECIFIED: SetFeedbackResponse.Outcome
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    feedback: Feedback
    outcome: SetFeedbackResponse.Outcome
    replayed: bool
    def __init__(self, feedback: _Optional[_Union[Feedback, _Mapping]] = ..., outcome: _Optional[_Union[SetFeedbackResponse.Outcome, str]] = ..., replayed: bool = ...) -> None: ...

class UpdateFeedbackRequest(_message.Message):
    __slots__ = ["expected_revision", "feedback", "request_id", "update_mask"]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    expected_revision: int
    feedback: Feedback
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, feedback: _Optional[_Union[Feedback, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., expected_revision: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateFeedbackResponse(_message.Message):
    __slots__ = ["feedback", "replayed"]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    feedback: Feedback
    replayed: bool
    def __init__(self, feedback: _Optional[_Union[Feedback, _Mapping]] = ..., replayed: bool = ...) -> None: ...

class WatchFeedbacksRequest(_message.Message):
    __slots__ = ["filter", "follow", "from_now", "start_position"]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    filter: FeedbackFilter
    follow: bool
    from_now: bool
    start_position: str
    def __init__(self, filter: _Optional[_Union[FeedbackFilter, _Mapping]] = ..., start_position: _Optional[str] = ..., from_now: bool = ..., follow: bool = ...) -> None: ...

class WatchFeedbacksResponse(_message.Message):
    __slots__ = ["change", "heartbeat_position"]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_POSITION_FIELD_NUMBER: _ClassVar[int]
    change: Change
    heartbeat_position: str
    def __init__(self, change: _Optional[_Union[Change, _Mapping]] = ..., heartbeat_position: _Optional[str] = ...) -> None: ...

class Rating(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AuthorSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class GroupBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
