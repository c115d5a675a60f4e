"""The guide's REST routes, for FastAPI; needs ``feedbackd[fastapi]``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from fastapi import APIRouter, FastAPI, HTTPException, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from ._address import path_of
from .async_client import AsyncFeedbackClient
from .client import FeedbackClient
from .errors import (
    DeadlineExceededError,
    FeedbackError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)
from .sessions import FeedbackHook, MongoDBSessionManager, to_dict

#: Shorter than the client's own: somebody waits for the page.
DEFAULT_TIMEOUT = 5.0
#: Feedbacks in one answer; further ones are had by ``page_token``.
PAGE_SIZE_MAX = 1000

Answer = TypeVar("Answer")


class FeedbackBody(BaseModel):
    """What is posted."""

    rating: str | None = None
    comment: str = ""


class Recorded(BaseModel):
    """The answer to a post."""

    status: str = "success"
    message: str = "Feedback recorded"


class StoredFeedback(BaseModel):
    """A feedback; has further keys when they are not empty."""

    model_config = ConfigDict(extra="allow")
    rating: str | None
    comment: str
    created_at: datetime


class FeedbackList(BaseModel):
    """A session's feedback."""

    session_id: str
    feedbacks: list[StoredFeedback]
    #: All that the session has.
    total: int
    #: Gets the next part; there only if one answer does not hold all.
    next_page_token: str | None = None


class FeedbackMetrics(BaseModel):
    """Metrics of all sessions."""

    total: int
    positive: int
    negative: int
    neutral: int
    avg_comment_length: float
    satisfaction_rate: float
    approval_rate: float


def feedback_router(
    connection_string: str | None = None,
    *,
    feedback_hook: FeedbackHook | None = None,
    prefix: str = "/api",
    timeout: float = DEFAULT_TIMEOUT,
) -> APIRouter:
    """Routes to add and list a session's feedback, and to get the metrics of all sessions.

        app.include_router(feedback_router())

    The connection string is ``unix:PATH``, by default the daemon's usual socket. No handler blocks
    the event loop; a hook, which is called as `MongoDBSessionManager` does, runs in a thread.

    What breaks a rule, and what the hook refuses with a ValueError, is answered with 400 and its
    message; a hook's PermissionError with 403; a body of another shape with 422; 503 means that the
    daemon, or its store, is away, 504 that it took longer than ``timeout`` seconds. Other errors
    are 500, without any detail.
    """
    path = path_of(connection_string)
    client = AsyncFeedbackClient(path, timeout=timeout)
    blocking = FeedbackClient(path, timeout=timeout)

    @asynccontextmanager
    async def close_at_end(_: FastAPI) -> AsyncIterator[None]:
        nonlocal client, blocking
        yield
        client.close()
        blocking.close()
        # The same application may be started again.
        client = AsyncFeedbackClient(path, timeout=timeout)
        blocking = FeedbackClient(path, timeout=timeout)

    router = APIRouter(prefix=prefix, tags=["feedback"], lifespan=close_at_end)

    @router.post("/sessions/{session_id}/feedback")
    async def add_feedback(session_id: str, feedback: FeedbackBody) -> Recorded:
        if feedback_hook is None:
            await _answered(client.add_feedback(session_id, feedback.rating, feedback.comment))
        else:
            manager = MongoDBSessionManager(
                session_id, client=blocking, feedback_hook=feedback_hook
            )
            await _answered(run_in_threadpool(manager.add_feedback, feedback.model_dump()))
        return Recorded()

    @router.get("/sessions/{session_id}/feedback", response_model_exclude_unset=True)
    async def get_feedback(
        session_id: str,
        limit: int = Query(PAGE_SIZE_MAX, ge=1, le=PAGE_SIZE_MAX),
        page_token: str = "",
    ) -> FeedbackList:
        page = await _answered(client.list_page(session_id, page_size=limit, page_token=page_token))
        answer = FeedbackList(
            session_id=session_id,
            feedbacks=[StoredFeedback(**to_dict(feedback)) for feedback in page.feedbacks],
            total=page.total_size,
        )
        if page.next_page_token:
            answer.next_page_token = page.next_page_token
        return answer

    @router.get("/metrics/feedback")
    async def get_feedback_metrics() -> FeedbackMetrics:
        metrics = (await _answered(client.get_metrics())).metrics
        return FeedbackMetrics(
            total=metrics.total,
            positive=metrics.positive,
            negative=metrics.negative,
            neutral=metrics.neutral,
            avg_comment_length=metrics.average_comment_length,
            satisfaction_rate=metrics.satisfaction_rate,
            approval_rate=metrics.approval_rate,
        )

    return router


async def _answered(call: Awaitable[Answer]) -> Answer:
    """The call's result; its errors as HTTP's, without what is none of the caller's business."""
    try:
        return await call
    except InvalidArgumentError as error:
        raise HTTPException(400, error.message) from None
    except PermissionError:
        raise HTTPException(403, "not permitted") from None
    except ResourceExhaustedError:
        raise HTTPException(429, "too large, or too much at once") from None
    except UnavailableError:
        raise HTTPException(503, "feedback cannot be recorded or read right now") from None
    except DeadlineExceededError:
        raise HTTPException(504, "no answer in time") from None
    except FeedbackError:
        raise HTTPException(500, "internal error") from None
    except ValueError as error:
        # Only a hook's: those of the client itself are INVALID_ARGUMENT.
        raise HTTPException(400, str(error)) from None
