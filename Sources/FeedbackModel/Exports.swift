// Every user of feedback values also handles call errors and contexts.
@_exported public import CallStatus
