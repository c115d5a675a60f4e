"""feedbackd's client for Python: records what people think of AI agents' answers.

`FeedbackClient` is for threads, `AsyncFeedbackClient` for asyncio. `create_mongodb_session_manager`
and what belongs to it are the API of the Python package mongodb-session-manager, for programs that
were written for that: only their import line and their connection string change.
"""

from .async_client import AsyncFeedbackClient
from .client import FeedbackClient
from .errors import (
    CallCancelledError,
    Code,
    DataLossError,
    DeadlineExceededError,
    FeedbackError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from .sessions import (
    FeedbackHook,
    MongoDBSessionManager,
    MongoDBSessionManagerFactory,
    close_global_factory,
    create_combined_hook,
    create_mongodb_session_manager,
    get_global_factory,
    initialize_global_factory,
)
from .values import (
    ALL_SESSIONS,
    AddedFeedback,
    Alert,
    AlertState,
    AllSessions,
    Author,
    AuthorSource,
    Feedback,
    FeedbackPage,
    GroupBy,
    Metadata,
    Metrics,
    MetricsReport,
    Rating,
)

__all__ = [
    "ALL_SESSIONS",
    "AddedFeedback",
    "Alert",
    "AlertState",
    "AllSessions",
    "AsyncFeedbackClient",
    "Author",
    "AuthorSource",
    "CallCancelledError",
    "Code",
    "DataLossError",
    "DeadlineExceededError",
    "Feedback",
    "FeedbackClient",
    "FeedbackError",
    "FeedbackHook",
    "FeedbackPage",
    "FieldViolation",
    "GroupBy",
    "InternalError",
    "InvalidArgumentError",
    "Metadata",
    "Metrics",
    "MetricsReport",
    "MongoDBSessionManager",
    "MongoDBSessionManagerFactory",
    "NotFoundError",
    "PermissionDeniedError",
    "Rating",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnimplementedError",
    "close_global_factory",
    "create_combined_hook",
    "create_mongodb_session_manager",
    "get_global_factory",
    "initialize_global_factory",
]
