from feedbackd._proto import value_pb2 as _value_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateSessionRequest(_message.Message):
    __slots__ = ["application_name", "document", "session_id"]
    APPLICATION_NAME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    application_name: str
    document: _value_pb2.Document
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., application_name: _Optional[str] = ..., document: _Optional[_Union[_value_pb2.Document, _Mapping]] = ...) -> None: ...

class DeleteMetadataRequest(_message.Message):
    __slots__ = ["dotted", "keys", "session_id", "typed"]
    DOTTED_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TYPED_FIELD_NUMBER: _ClassVar[int]
    dotted: bool
    keys: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    typed: bool
    def __init__(self, session_id: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., typed: bool = ..., dotted: bool = ...) -> None: ...

class DeleteMetadataResponse(_message.Message):
    __slots__ = ["document", "metadata"]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    document: _value_pb2.Document
    metadata: _struct_pb2.Struct
    def __init__(self, metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., document: _Optional[_Union[_value_pb2.Document, _Mapping]] = ...) -> None: ...

class GetMetadataRequest(_message.Message):
    __slots__ = ["session_id", "typed"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TYPED_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    typed: bool
    def __init__(self, session_id: _Optional[str] = ..., typed: bool = ...) -> None: ...

class GetMetadataResponse(_message.Message):
    __slots__ = ["document", "metadata"]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    document: _value_pb2.Document
    metadata: _struct_pb2.Struct
    def __init__(self, metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., document: _Optional[_Union[_value_pb2.Document, _Mapping]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ["session_id", "with_password"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    with_password: bool
    def __init__(self, session_id: _Optional[str] = ..., with_password: bool = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ["application_name", "created_at", "session_id", "updated_at", "viewer_password"]
    APPLICATION_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    VIEWER_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    application_name: str
    created_at: _timestamp_pb2.Timestamp
    session_id: str
    updated_at: _timestamp_pb2.Timestamp
    viewer_password: str
    def __init__(self, session_id: _Optional[str] = ..., application_name: _Optional[str] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., viewer_password: _Optional[str] = ...) -> None: ...

class UpdateMetadataRequest(_message.Message):
    __slots__ = ["document", "dotted", "metadata", "session_id", "typed"]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    DOTTED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TYPED_FIELD_NUMBER: _ClassVar[int]
    document: _value_pb2.Document
    dotted: bool
    metadata: _struct_pb2.Struct
    session_id: str
    typed: bool
    def __init__(self, session_id: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., document: _Optional[_Union[_value_pb2.Document, _Mapping]] = ..., typed: bool = ..., dotted: bool = ...) -> None: ...

class UpdateMetadataResponse(_message.Message):
    __slots__ = ["document", "metadata"]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    document: _value_pb2.Document
    metadata: _struct_pb2.Struct
    def __init__(self, metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., document: _Optional[_Union[_value_pb2.Document, _Mapping]] = ...) -> None: ...
