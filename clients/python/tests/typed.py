"""The types of both clients' methods, as type checkers and editors see them: read by mypy only."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from feedbackd import (
    AddedFeedback,
    AsyncChanges,
    AsyncFeedbackClient,
    Change,
    Changes,
    Delivery,
    Destination,
    Feedback,
    FeedbackClient,
    FeedbackPage,
    MetricsReport,
    Rating,
    ServerStatus,
)
from typing_extensions import assert_type


def blocking(client: FeedbackClient) -> None:
    assert_type(client.add_feedback("s", Rating.UP, comment="c", timeout=1.5), AddedFeedback)
    assert_type(client.list_feedbacks("s", ratings=["down"], page_size=5), Iterator[Feedback])
    assert_type(client.list_page(page_token=""), FeedbackPage)
    with client.watch_feedbacks("s", has_comment=True, from_now=True) as changes:
        assert_type(changes, Changes)
        assert_type(next(changes), Change)
        assert_type(changes.position, str)
    assert_type([change for change in client.watch_feedbacks(follow=False)], list[Change])
    assert_type(client.get_metrics(), MetricsReport)
    assert_type(client.update_metadata("s", {"a": 1}), dict[str, Any])
    assert_type(client.get_metadata("s"), dict[str, Any])
    assert_type(client.delete_metadata("s", ["a"]), dict[str, Any])
    assert_type(client.health(), bool)
    assert_type(client.get_status(), ServerStatus)
    assert_type(client.list_destinations(), tuple[Destination, ...])
    assert_type(client.pause_destination("d"), Destination)
    assert_type(client.resume_destination("d"), Destination)
    assert_type(client.rewind_destination("d", None), Destination)
    assert_type(client.test_destination("d"), str)
    assert_type(client.list_deliveries(), Iterator[Delivery])
    assert_type(client.retry_deliveries("d", ["1"]), int)
    assert_type(client.drop_deliveries("d", all=True), int)
    with client as entered:
        assert_type(entered, FeedbackClient)
    client.add_feedback(5)  # type: ignore[arg-type]
    client.add_feedback("s", "up", "c", "request-1")  # type: ignore[call-arg]
    client.add_feedback("s", thumbs=True)  # type: ignore[call-arg]
    client.get_metrics(None)  # type: ignore[arg-type]
    client.rewind_destination("d")  # type: ignore[call-arg]
    client.watch_feedbacks(page_size=5)  # type: ignore[call-arg]


async def awaited(client: AsyncFeedbackClient) -> None:
    assert_type(await client.add_feedback("s", "up", "c", tags=["t"]), AddedFeedback)
    assert_type(client.list_feedbacks("s", newest_first=True), AsyncIterator[Feedback])
    assert_type(await client.list_page(), FeedbackPage)
    async with client.watch_feedbacks(start_position="p") as changes:
        assert_type(changes, AsyncChanges)
        assert_type(await anext(changes), Change)
    async for change in client.watch_feedbacks(ratings=["down"]):
        assert_type(change, Change)
    assert_type(await client.get_metrics("s"), MetricsReport)
    assert_type(await client.update_metadata("s", {}), dict[str, Any])
    assert_type(await client.get_metadata("s"), dict[str, Any])
    assert_type(await client.delete_metadata("s", []), dict[str, Any])
    assert_type(await client.get_status(), ServerStatus)
    assert_type(await client.list_destinations(), tuple[Destination, ...])
    assert_type(client.list_deliveries("d", page_size=5), AsyncIterator[Delivery])
    assert_type(await client.drop_deliveries("d"), int)
    task = asyncio.create_task(client.health(timeout=1))
    assert_type(await task, bool)
    async with client as entered:
        assert_type(entered, AsyncFeedbackClient)
    await client.add_feedback(session_id=None)  # type: ignore[arg-type]
