"""The guide's REST routes, for FastAPI; needs ``feedbackd[fastapi]``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from ._address import path_of
from ._arguments import checked_text
from .async_client import AsyncFeedbackClient
from .client import FeedbackClient
from .errors import (
    DeadlineExceededError,
    FeedbackError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
    invalid_argument,
)
from .sessions import FeedbackHook, MongoDBSessionManager, checked_hook, to_dict

#: In seconds; shorter than the client's own, since a person waits for the answer.
DEFAULT_TIMEOUT = 5.0
#: The limit of feedbacks in one answer; ``page_token`` gets the following ones.
PAGE_SIZE_MAX = 1000

_Result = TypeVar("_Result")


class FeedbackBody(BaseModel):
    """The body of a post."""

    rating: str | None = None
    comment: str = ""


class Recorded(BaseModel):
    """The answer to a post."""

    status: str = "success"
    message: str = "Feedback recorded"


class StoredFeedback(BaseModel):
    """A feedback; it has those further keys that are not empty."""

    model_config = ConfigDict(extra="allow")
    rating: str | None
    comment: str
    created_at: datetime


class FeedbackList(BaseModel):
    """A session's feedback."""

    session_id: str
    feedbacks: list[StoredFeedback]
    #: The number of all feedback of the session.
    total: int
    #: The ``page_token`` of the next part; left out with the last one.
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


class _JSONRequest(Request):
    """A request with a body of strict JSON, without the NaN and Infinity that Python parses.

    FastAPI answers a JSONDecodeError with 422 and its message, and other errors with neither.
    """

    async def json(self) -> Any:
        body = await self.body()
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        except json.JSONDecodeError:
            raise
        except UnicodeDecodeError:
            fault = "the text is not UTF-8"
        except RecursionError:
            fault = "there are too many levels"
        except ValueError:
            # Python's limit of digits.
            fault = "a number is too large"
        raise json.JSONDecodeError(fault, "", 0)


class _FeedbackRoute(APIRoute):
    """A route whose 422 leaves the input out, which JSON may not be able to express (1e999)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            try:
                return await handle(_JSONRequest(request.scope, request.receive))
            except RequestValidationError as error:
                for fault in error.errors():
                    fault.pop("input", None)
                raise

        return handle_json


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def feedback_router(
    connection_string: str | None = None,
    *,
    feedback_hook: FeedbackHook | None = None,
    prefix: str = "/api",
    timeout: float = DEFAULT_TIMEOUT,
) -> APIRouter:
    """Makes routes to add and list a session's feedback, and to get the metrics of all sessions.

        app.include_router(feedback_router())

    The connection string is ``unix:PATH``, by default the daemon's usual socket. No handler blocks
    the event loop; a hook, which is called as `MongoDBSessionManager` does, runs in a thread.

    Feedback that breaks a rule, or that the hook refuses with a ValueError, is answered with 400
    and the message; a hook's PermissionError with 403; a body of another shape, or that cannot be
    read as JSON, with 422. 503 means that the daemon, or its store, is away, 504 that it took
    longer than ``timeout`` seconds. Other errors are 500, without any detail.

    Raises TypeError for an argument of a wrong type, and INVALID_ARGUMENT, which is also a
    ValueError, for one that breaks a rule; both name the argument.
    """
    checked_hook("feedback_hook", feedback_hook)
    path = path_of(connection_string)
    if checked_text("prefix", prefix) and (prefix[0] != "/" or prefix[-1] == "/"):
        raise invalid_argument("prefix", "must be empty, or begin with / and not end with it")
    client = AsyncFeedbackClient(path, timeout=timeout)
    blocking = FeedbackClient(path, timeout=timeout)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal client, blocking
        yield
        client.close()
        blocking.close()
        # An application may be started again after its end.
        client = AsyncFeedbackClient(path, timeout=timeout)
        blocking = FeedbackClient(path, timeout=timeout)

    router = APIRouter(
        prefix=prefix, tags=["feedback"], lifespan=lifespan, route_class=_FeedbackRoute
    )

    @router.post("/sessions/{session_id}/feedback")
    async def add_feedback(session_id: str, feedback: FeedbackBody) -> Recorded:
        if feedback_hook is None:
            await _with_http_errors(
                client.add_feedback(session_id, feedback.rating, feedback.comment)
            )
        else:
            manager = MongoDBSessionManager(
                session_id, client=blocking, feedback_hook=feedback_hook
            )
            await _with_http_errors(run_in_threadpool(manager.add_feedback, feedback.model_dump()))
        return Recorded()

    @router.get("/sessions/{session_id}/feedback", response_model_exclude_unset=True)
    async def get_feedback(
        session_id: str,
        limit: int = Query(PAGE_SIZE_MAX, ge=1, le=PAGE_SIZE_MAX),
        page_token: str = "",
    ) -> FeedbackList:
        page = await _with_http_errors(
            client.list_page(session_id, page_size=limit, page_token=page_token)
        )
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
        metrics = (await _with_http_errors(client.get_metrics())).metrics
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


async def _with_http_errors(call: Awaitable[_Result]) -> _Result:
    """Returns the call's result; raises its errors as HTTP's, without details of the inside."""
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
        # The client's own are INVALID_ARGUMENT, so this is the hook's.
        raise HTTPException(400, str(error)) from None
