from feedbackd._proto import feedback_pb2 as _feedback_pb2
from feedbackd._proto import session_pb2 as _session_pb2
from feedbackd._proto import status_pb2 as _status_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InterceptRequest(_message.Message):
    __slots__ = ["add_feedback", "caller", "delete_feedback", "delete_metadata", "get_metadata", "merged", "present", "set_feedback", "update_feedback", "update_metadata"]
    ADD_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    DELETE_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    DELETE_METADATA_FIELD_NUMBER: _ClassVar[int]
    GET_METADATA_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    SET_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_METADATA_FIELD_NUMBER: _ClassVar[int]
    add_feedback: _feedback_pb2.AddFeedbackRequest
    caller: _feedback_pb2.Recorder
    delete_feedback: _feedback_pb2.DeleteFeedbackRequest
    delete_metadata: _session_pb2.DeleteMetadataRequest
    get_metadata: _session_pb2.GetMetadataRequest
    merged: _feedback_pb2.Feedback
    present: _feedback_pb2.Feedback
    set_feedback: _feedback_pb2.SetFeedbackRequest
    update_feedback: _feedback_pb2.UpdateFeedbackRequest
    update_metadata: _session_pb2.UpdateMetadataRequest
    def __init__(self, caller: _Optional[_Union[_feedback_pb2.Recorder, _Mapping]] = ..., add_feedback: _Optional[_Union[_feedback_pb2.AddFeedbackRequest, _Mapping]] = ..., set_feedback: _Optional[_Union[_feedback_pb2.SetFeedbackRequest, _Mapping]] = ..., update_feedback: _Optional[_Union[_feedback_pb2.UpdateFeedbackRequest, _Mapping]] = ..., delete_feedback: _Optional[_Union[_feedback_pb2.DeleteFeedbackRequest, _Mapping]] = ..., update_metadata: _Optional[_Union[_session_pb2.UpdateMetadataRequest, _Mapping]] = ..., get_metadata: _Optional[_Union[_session_pb2.GetMetadataRequest, _Mapping]] = ..., delete_metadata: _Optional[_Union[_session_pb2.DeleteMetadataRequest, _Mapping]] = ..., present: _Optional[_Union[_feedback_pb2.Feedback, _Mapping]] = ..., merged: _Optional[_Union[_feedback_pb2.Feedback, _Mapping]] = ...) -> None: ...

class InterceptResponse(_message.Message):
    __slots__ = ["proceed", "refuse"]
    PROCEED_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    proceed: Proceed
    refuse: _status_pb2.Status
    def __init__(self, proceed: _Optional[_Union[Proceed, _Mapping]] = ..., refuse: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Proceed(_message.Message):
    __slots__ = ["add_feedback", "delete_metadata", "set_feedback", "update_feedback", "update_metadata"]
    ADD_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    DELETE_METADATA_FIELD_NUMBER: _ClassVar[int]
    SET_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_METADATA_FIELD_NUMBER: _ClassVar[int]
    add_feedback: _feedback_pb2.AddFeedbackRequest
    delete_metadata: _session_pb2.DeleteMetadataRequest
    set_feedback: _feedback_pb2.SetFeedbackRequest
    update_feedback: _feedback_pb2.UpdateFeedbackRequest
    update_metadata: _session_pb2.UpdateMetadataRequest
    def __init__(self, add_feedback: _Optional[_Union[_feedback_pb2.AddFeedbackRequest, _Mapping]] = ..., set_feedback: _Optional[_Union[_feedback_pb2.SetFeedbackRequest, _Mapping]] = ..., update_feedback: _Optional[_Union[_feedback_pb2.UpdateFeedbackRequest, _Mapping]] = ..., update_metadata: _Optional[_Union[_session_pb2.UpdateMetadataRequest, _Mapping]] = ..., delete_metadata: _Optional[_Union[_session_pb2.DeleteMetadataRequest, _Mapping]] = ...) -> None: ...
