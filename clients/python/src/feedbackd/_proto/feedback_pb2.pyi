from google.protobuf import timestamp_pb2 as _timestamp_pb2
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
GROUP_BY_DAY: GroupBy
GROUP_BY_HOUR: GroupBy
GROUP_BY_METADATA: GroupBy
GROUP_BY_SESSION: GroupBy
GROUP_BY_UNSPECIFIED: GroupBy
RATING_DOWN: Rating
RATING_UNSPECIFIED: Rating
RATING_UP: Rating

class AddFeedbackRequest(_message.Message):
    __slots__ = ["agent_id", "attributes", "author", "comment", "message_id", "rating", "request_id", "session_id", "tags"]
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
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author: Author
    comment: str
    message_id: str
    rating: Rating
    request_id: str
    session_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session_id: _Optional[str] = ..., rating: _Optional[_Union[Rating, str]] = ..., comment: _Optional[str] = ..., request_id: _Optional[str] = ..., message_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., author: _Optional[_Union[Author, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

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

class Feedback(_message.Message):
    __slots__ = ["agent_id", "attributes", "author", "comment", "created_at", "feedback_id", "message_id", "rating", "session_id", "tags", "updated_at"]
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
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    attributes: _containers.ScalarMap[str, str]
    author: Author
    comment: str
    created_at: _timestamp_pb2.Timestamp
    feedback_id: str
    message_id: str
    rating: Rating
    session_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, feedback_id: _Optional[str] = ..., session_id: _Optional[str] = ..., rating: _Optional[_Union[Rating, str]] = ..., comment: _Optional[str] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., author: _Optional[_Union[Author, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = ["created_at_or_after", "created_before", "group_by", "metadata_key", "session_id"]
    CREATED_AT_OR_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    METADATA_KEY_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    created_at_or_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    group_by: GroupBy
    metadata_key: str
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., created_at_or_after: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., group_by: _Optional[_Union[GroupBy, str]] = ..., metadata_key: _Optional[str] = ...) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ["groups", "metrics"]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[MetricsGroup]
    metrics: Metrics
    def __init__(self, metrics: _Optional[_Union[Metrics, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[MetricsGroup, _Mapping]]] = ...) -> None: ...

class ListFeedbacksRequest(_message.Message):
    __slots__ = ["created_at_or_after", "created_before", "has_comment", "message_id", "newest_first", "page_size", "page_token", "ratings", "session_id"]
    CREATED_AT_OR_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    HAS_COMMENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    created_at_or_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    has_comment: bool
    message_id: str
    newest_first: bool
    page_size: int
    page_token: str
    ratings: _containers.RepeatedScalarFieldContainer[Rating]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., ratings: _Optional[_Iterable[_Union[Rating, str]]] = ..., created_at_or_after: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message_id: _Optional[str] = ..., has_comment: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., newest_first: bool = ...) -> None: ...

class ListFeedbacksResponse(_message.Message):
    __slots__ = ["feedbacks", "next_page_token", "total_size"]
    FEEDBACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    feedbacks: _containers.RepeatedCompositeFieldContainer[Feedback]
    next_page_token: str
    total_size: int
    def __init__(self, feedbacks: _Optional[_Iterable[_Union[Feedback, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class Metrics(_message.Message):
    __slots__ = ["approval_rate", "average_comment_length", "negative", "neutral", "positive", "satisfaction_rate", "total"]
    APPROVAL_RATE_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_COMMENT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    NEUTRAL_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    SATISFACTION_RATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    approval_rate: float
    average_comment_length: float
    negative: int
    neutral: int
    positive: int
    satisfaction_rate: float
    total: int
    def __init__(self, total: _Optional[int] = ..., positive: _Optional[int] = ..., negative: _Optional[int] = ..., neutral: _Optional[int] = ..., average_comment_length: _Optional[float] = ..., satisfaction_rate: _Optional[float] = ..., approval_rate: _Optional[float] = ...) -> None: ...

class MetricsGroup(_message.Message):
    __slots__ = ["key", "metrics"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    key: str
    metrics: Metrics
    def __init__(self, key: _Optional[str] = ..., metrics: _Optional[_Union[Metrics, _Mapping]] = ...) -> None: ...

class Rating(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AuthorSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class GroupBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
