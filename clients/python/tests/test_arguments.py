"""Wrong arguments, of both clients and of the managers."""

import asyncio
import inspect
import socket
from collections import UserString
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path

import feedbackd
import pytest
from feedbackd import (
    ALL_SESSIONS,
    AsyncFeedbackClient,
    Author,
    FeedbackClient,
    InvalidArgumentError,
    MongoDBSessionManager,
    create_mongodb_session_manager,
)


class Blocking:
    """Calls a `FeedbackClient`; lists are read to their end."""

    def __init__(self, socket, timeout=60):
        self._socket, self._timeout = socket, timeout

    def __call__(self, method, *arguments, **named):
        with FeedbackClient(self._socket, timeout=self._timeout) as client:
            result = getattr(client, method)(*arguments, **named)
            return list(result) if hasattr(result, "__next__") else result


class Asyncio:
    """Calls an `AsyncFeedbackClient` in the same way."""

    def __init__(self, socket, timeout=60):
        self._socket, self._timeout = socket, timeout

    def __call__(self, method, *arguments, **named):
        async def main():
            async with AsyncFeedbackClient(self._socket, timeout=self._timeout) as client:
                result = getattr(client, method)(*arguments, **named)
                if hasattr(result, "__anext__"):
                    return [value async for value in result]
                return await result

        return asyncio.run(main())


@pytest.fixture(params=[Blocking, Asyncio])
def call(request, daemon):
    return request.param(daemon.socket)


@pytest.fixture(params=[Blocking, Asyncio])
def refuse(request, folder):
    """Makes calls of which nothing may be sent: at the end, nobody has connected."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "untouched"))
        listener.listen()
        yield request.param(str(folder / "untouched"), timeout=0.2)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture
def address(daemon):
    return f"unix:{daemon.socket}"


#: The methods with a session_id, with their other required arguments.
SESSION_CALLS = {
    "add_feedback": {},
    "list_feedbacks": {},
    "list_page": {},
    "watch_feedbacks": {},
    "get_metrics": {},
    "update_metadata": {"metadata": {}},
    "get_metadata": {},
    "delete_metadata": {"keys": []},
}


#: Other methods with required arguments, and these.
OTHER_CALLS = {
    "pause_destination": {"name": "page"},
    "resume_destination": {"name": "page"},
    "rewind_destination": {"name": "page", "position": None},
    "test_destination": {"name": "page"},
    "retry_deliveries": {"destination": "page"},
    "drop_deliveries": {"destination": "page"},
}


@pytest.mark.parametrize("method", SESSION_CALLS)
def test_an_empty_session_id_is_nobodys(call, method):
    call("add_feedback", "somebody", "down", "private")
    with pytest.raises(ValueError, match="session_id") as caught:
        call(method, "", **SESSION_CALLS[method])
    assert isinstance(caught.value, InvalidArgumentError)
    assert [violation.field for violation in caught.value.violations] == ["session_id"]


NO_SESSION_IDS = [None, 0, False, b"", b"somebody", ["somebody"], UserString("somebody"), object()]


@pytest.mark.parametrize("method", SESSION_CALLS)
def test_a_session_id_is_a_str(refuse, method):
    for session_id in NO_SESSION_IDS:
        with pytest.raises(TypeError, match="^session_id must be a str"):
            refuse(method, session_id, **SESSION_CALLS[method])


def test_all_sessions_are_asked_for_by_leaving_the_session_out(call):
    call("add_feedback", "a", "up")
    call("add_feedback", "b", "down")
    for arguments in ((), (ALL_SESSIONS,)):
        assert [one.session_id for one in call("list_feedbacks", *arguments)] == ["a", "b"]
        assert call("list_page", *arguments).total_size == 2
        assert call("get_metrics", *arguments).metrics.total == 2
    assert call("get_metrics", "a").metrics.total == 1


@pytest.mark.parametrize(
    ("session_id", "error"),
    [("", ValueError), *((wrong, TypeError) for wrong in [*NO_SESSION_IDS, ALL_SESSIONS])],
    ids=repr,
)
def test_a_manager_is_one_sessions(address, client, session_id, error):
    """A manager without a session would show the feedback of all."""
    client.add_feedback("somebody", "down", "private")
    factory = feedbackd.MongoDBSessionManagerFactory(address)
    for make in (
        lambda: MongoDBSessionManager(session_id, address),
        lambda: create_mongodb_session_manager(session_id, address),
        lambda: factory.create_session_manager(session_id),
    ):
        with pytest.raises(error, match="session_id"):
            make()
    manager = factory.create_session_manager("s")
    # An attribute that a program may set.
    manager.session_id = session_id
    for use in (
        manager.get_feedbacks,
        manager.get_metadata,
        lambda: manager.add_feedback({"rating": "up"}),
        lambda: manager.update_metadata({}),
        lambda: manager.delete_metadata([]),
    ):
        with pytest.raises(error, match="session_id"):
            use()
    factory.close()


class Other:
    """A type that no argument has, whose values equal any other."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __repr__(self):
        return "Other()"


# Values of wrong types. The false ones must not be taken for an argument that is left out.
WRONG_TEXTS = [5, 0, False, b"", b"bytes", [], ["x"], {"x": 1}, UserString("x"), Other()]
WRONG_NUMBERS = ["5", "", 1.5, True, [], None, Other()]
WRONG_FLAGS = ["yes", "", 5, [], Other()]
WRONG_INSTANTS = ["2024-01-22T15:00:00Z", 0, 1.5, [], date(2024, 1, 22), Other()]
WRONG_LISTS_OF_TEXTS = ["x", b"x", 5, 0, False, {"x": "y"}, [5], [b"x"], [None], Other()]
WRONG_TIMEOUTS = ["5", b"5", True, [], Other()]

#: The values that are a TypeError, by method and argument.
WRONG = {
    ("add_feedback", "comment"): WRONG_TEXTS,
    ("add_feedback", "request_id"): WRONG_TEXTS,
    ("add_feedback", "message_id"): WRONG_TEXTS,
    ("add_feedback", "agent_id"): WRONG_TEXTS,
    ("add_feedback", "author"): ["eve", "", 5, 0, b"eve", {"id": "eve"}, ["eve"], Other()],
    ("add_feedback", "author.id"): [Author(id=wrong) for wrong in [*WRONG_TEXTS, None]],
    ("add_feedback", "author.source"): [
        Author(wrong) for wrong in ["HUMAN", None, 1.5, True, Other()]
    ],
    ("add_feedback", "tags"): WRONG_LISTS_OF_TEXTS,
    ("add_feedback", "attributes"): ["x", b"", 0, ["x"], [("k", "v")], {5: "v"}, {"k": 5}, Other()],
    ("add_feedback", "timeout"): WRONG_TIMEOUTS,
    ("update_metadata", "metadata"): [
        *["x", b"x", 5, None, ["x"], [("k", 1)], Other()],
        *[{5: "v"}, {b"k": "v"}, {None: "v"}, {"k": {5: "v"}}],
        *({"k": wrong} for wrong in [b"x", {"x"}, Decimal(1), Other(), [Other()]]),
    ],
    ("update_metadata", "timeout"): WRONG_TIMEOUTS,
    ("get_metadata", "timeout"): WRONG_TIMEOUTS,
    ("delete_metadata", "keys"): [*WRONG_LISTS_OF_TEXTS, None],
    ("delete_metadata", "timeout"): WRONG_TIMEOUTS,
    ("get_metrics", "created_at_or_after"): WRONG_INSTANTS,
    ("get_metrics", "created_before"): WRONG_INSTANTS,
    ("get_metrics", "group_by"): WRONG_NUMBERS,
    ("get_metrics", "metadata_key"): [*WRONG_TEXTS, None],
    ("get_metrics", "timeout"): WRONG_TIMEOUTS,
    ("get_status", "timeout"): WRONG_TIMEOUTS,
    ("list_destinations", "timeout"): WRONG_TIMEOUTS,
    ("rewind_destination", "position"): WRONG_TEXTS,
    ("list_deliveries", "destination"): [*WRONG_TEXTS, None],
    ("list_deliveries", "state"): ["dead", *WRONG_NUMBERS],
    ("list_deliveries", "with_content"): [*WRONG_FLAGS, None],
    ("list_deliveries", "page_size"): WRONG_NUMBERS,
    ("list_deliveries", "timeout"): WRONG_TIMEOUTS,
    ("health", "service"): [*WRONG_TEXTS, None],
    ("health", "timeout"): WRONG_TIMEOUTS,
}
for method in ("list_feedbacks", "list_page", "watch_feedbacks"):
    WRONG |= {
        (method, "ratings"): ["up", b"", 5, 0, {"up": 1}, None, Other()],
        (method, "created_at_or_after"): WRONG_INSTANTS,
        (method, "created_before"): WRONG_INSTANTS,
        # None would show all messages where one was meant.
        (method, "message_id"): [*WRONG_TEXTS, None],
        (method, "has_comment"): WRONG_FLAGS,
        (method, "timeout"): WRONG_TIMEOUTS,
    }
for method in ("pause", "resume", "rewind", "test"):
    WRONG[f"{method}_destination", "name"] = [*WRONG_TEXTS, None]
    WRONG[f"{method}_destination", "timeout"] = WRONG_TIMEOUTS
for method in ("retry_deliveries", "drop_deliveries"):
    WRONG |= {
        (method, "destination"): [*WRONG_TEXTS, None],
        (method, "delivery_ids"): WRONG_LISTS_OF_TEXTS,
        (method, "all"): [*WRONG_FLAGS, None],
        (method, "timeout"): WRONG_TIMEOUTS,
    }
for method in ("list_feedbacks", "list_page"):
    WRONG[method, "page_size"] = WRONG_NUMBERS
    WRONG[method, "newest_first"] = [*WRONG_FLAGS, None]
WRONG["list_page", "page_token"] = [*WRONG_TEXTS, None]
WRONG["watch_feedbacks", "start_position"] = [*WRONG_TEXTS, None]
WRONG["watch_feedbacks", "from_now"] = [*WRONG_FLAGS, None]
WRONG["watch_feedbacks", "follow"] = [*WRONG_FLAGS, None]


def required(method):
    """Returns right values for a method's required arguments."""
    if method in SESSION_CALLS:
        return {"session_id": "s", **SESSION_CALLS[method]}
    return OTHER_CALLS.get(method, {})


@pytest.mark.parametrize(("method", "argument"), WRONG)
def test_a_wrong_type_is_a_type_error_that_names_the_argument(refuse, method, argument):
    for value in WRONG[method, argument]:
        with pytest.raises(TypeError, match=f"^{argument} must be "):
            refuse(method, **(required(method) | {argument.partition(".")[0]: value}))


@pytest.mark.parametrize("client", [FeedbackClient, AsyncFeedbackClient])
def test_no_argument_is_forgotten_here(client):
    methods = {
        name: inspect.signature(method).parameters
        for name, method in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_") and name != "close"
    }
    arguments = {(method, name) for method in methods for name in methods[method]}
    # test_a_session_id_is_a_str has the sessions; a wrong rating is INVALID_ARGUMENT of any type.
    others = {(method, name) for method in methods for name in ("self", "session_id")}
    assert arguments - others - {("add_feedback", "rating")} == {
        key for key in WRONG if "." not in key[1]
    }


@pytest.mark.parametrize("rating", [5, 0, False, b"up", ["up"], {}, Other(), "", "UP"])
def test_a_wrong_rating_is_a_value_error_that_names_it(refuse, rating):
    with pytest.raises(InvalidArgumentError, match="^rating: "):
        refuse("add_feedback", "s", rating)
    for method in ("list_feedbacks", "list_page", "watch_feedbacks"):
        with pytest.raises(InvalidArgumentError, match="^ratings: "):
            refuse(method, "s", ratings=[rating])


class NoOffset(tzinfo):
    """A time zone that knows no offset."""

    def utcoffset(self, _):
        return None


@pytest.mark.parametrize(
    ("method", "argument", "value"),
    [
        ("add_feedback", "author.id", Author(id="\ud800")),
        ("add_feedback", "author.source", Author(77)),
        ("add_feedback", "author.source", Author(2**70)),
        ("get_metrics", "created_before", datetime(2024, 1, 22)),
        ("get_metrics", "created_before", datetime(2024, 1, 22, tzinfo=NoOffset())),
        ("get_metrics", "created_before", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
        ("get_metrics", "group_by", 77),
        ("get_metrics", "group_by", 2**70),
        ("get_metrics", "metadata_key", "\ud800"),
        ("list_page", "message_id", "\ud800"),
        ("list_page", "page_token", "\ud800"),
        ("list_page", "page_size", 1001),
        ("list_page", "page_size", -1),
        ("list_page", "page_size", 2**70),
        ("list_feedbacks", "page_size", -(2**70)),
        ("list_deliveries", "page_size", 2**70),
        ("list_deliveries", "state", 77),
        ("list_deliveries", "destination", "\ud800"),
        ("pause_destination", "name", ""),
        ("rewind_destination", "position", ""),
        ("retry_deliveries", "delivery_ids", ["\ud800"]),
        ("drop_deliveries", "delivery_ids", ["x" * 256]),
        ("health", "timeout", 0),
        ("health", "timeout", float("nan")),
        ("health", "timeout", Decimal("nan")),
        ("list_feedbacks", "timeout", -1),
        ("watch_feedbacks", "message_id", "\ud800"),
        ("watch_feedbacks", "start_position", "\ud800"),
        ("watch_feedbacks", "timeout", 0),
    ],
    ids=repr,
)
def test_a_value_out_of_range_is_a_value_error_that_names_the_argument(
    call, method, argument, value
):
    with pytest.raises(InvalidArgumentError, match=f"^{argument}: must "):
        call(method, **(required(method) | {argument.partition(".")[0]: value}))


@pytest.mark.parametrize("ids", [[], ()], ids=repr)
def test_no_deliveries_are_nothing_to_ask_for(refuse, ids):
    for method in ("retry_deliveries", "drop_deliveries"):
        assert refuse(method, "page", ids) == 0
        with pytest.raises(TypeError, match="^timeout must be "):
            refuse(method, "page", ids, timeout="5")


def test_what_is_wrong_with_a_list_is_said_before_it_is_consumed(client):
    for method in (client.list_feedbacks, client.list_deliveries):
        with pytest.raises(ValueError, match="timeout"):
            method(timeout=0)
        with pytest.raises(TypeError, match="page_size"):
            method(page_size="5")


def test_numbers_of_other_types_are_numbers(call):
    """Types with ``__index__`` or ``__float__``, as numpy's have them."""

    class Five:
        def __index__(self):
            return 5

    assert len(call("list_page", page_size=Five()).feedbacks) == 0
    assert call("health", timeout=Fraction(60))


class Array:
    """A list that does not say whether it equals another one, as numpy's arrays do not."""

    def __iter__(self):
        return iter(["a", "b"])

    def __eq__(self, other):
        raise ValueError("ambiguous")

    __hash__ = None


def test_lists_of_other_types_are_lists(call):
    assert call("add_feedback", "s", tags=Array()).feedback.tags == ("a", "b")
    call("delete_metadata", "s", Array())


def test_what_can_be_read_once_only_is_read_once(call):
    assert call("add_feedback", "s", tags=iter(["a", "b"])).feedback.tags == ("a", "b")
    with pytest.raises(TypeError, match="^tags must be "):
        call("add_feedback", "s", tags=iter([5]))
    assert len(call("list_feedbacks", "s", ratings=iter([None]))) == 1


def test_none_is_an_optional_argument_left_out(call):
    with pytest.raises(TypeError, match="^request_id must be "):
        call("add_feedback", "s", None, None, request_id=5)
    names = ["comment", "request_id", "message_id", "agent_id", "author", "tags", "attributes"]
    call("add_feedback", "s", None, **dict.fromkeys(names))
    (stored,) = call("list_feedbacks", "s", message_id="")
    assert (stored.comment, stored.message_id, stored.author, stored.tags) == ("", "", None, ())


@pytest.mark.parametrize("make", [FeedbackClient, AsyncFeedbackClient])
def test_clients_are_made_with_a_path_and_a_timeout(make):
    for socket in (5, b"socket", ["socket"], Other()):
        with pytest.raises(TypeError, match="^socket must be "):
            make(socket)
    with pytest.raises(ValueError, match="^socket: "):
        make("\ud800")
    for timeout in (*WRONG_TIMEOUTS, None):
        with pytest.raises(TypeError, match="^timeout must be "):
            make("socket", timeout=timeout)
    assert make(Path("socket"), timeout=Fraction(1, 2)).socket == "socket"


@pytest.mark.parametrize(
    ("argument", "values"),
    {
        "connection_string": [5, b"unix:socket", ["unix:socket"], Other()],
        # A MongoClient, which that package takes here, is none of ours.
        "client": ["x", 0, Other(), AsyncFeedbackClient("socket")],
        "feedback_hook": ["x", 0, Other()],
        "feedbackHook": ["x", 0, Other()],
    }.items(),
    ids=str,
)
def test_managers_and_factories_name_a_wrong_argument(argument, values):
    makers = [partial(MongoDBSessionManager, "s"), partial(create_mongodb_session_manager, "s")]
    if "ook" not in argument:
        makers += [feedbackd.MongoDBSessionManagerFactory, feedbackd.initialize_global_factory]
    else:
        factory = feedbackd.MongoDBSessionManagerFactory("unix:socket")
        makers.append(partial(factory.create_session_manager, "s"))
    for make in makers:
        for value in values:
            with pytest.raises(TypeError, match=f"^{argument} must be "):
                make(**{argument: value})


@pytest.mark.parametrize("value", ["", "x", b"", [], [("k", "v")], None, 5, Other()], ids=repr)
def test_what_a_hook_passes_on_is_a_dict(folder, value):
    def hook(original_func, *_, **__):
        return original_func(value)

    manager = MongoDBSessionManager("s", f"unix:{folder}/nothing", feedback_hook=hook)
    with pytest.raises(TypeError, match="^feedback must be a dict"):
        manager.add_feedback({"rating": "up"})


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("-inf"), [float("inf")], nested(100_000), {(1, 2): 3}, 10**5000],
    ids=["nan", "-inf", "inf in a list", "deep", "a key of a tuple", "5,000 digits"],
)
def test_an_attribute_that_json_cannot_express_is_named(folder, value):
    manager = MongoDBSessionManager("s", f"unix:{folder}/nothing")
    for feedback in ({"_checked": value}, {"attributes": {"checked": value}}):
        with pytest.raises(InvalidArgumentError, match="^attributes.value: must be "):
            manager.add_feedback(feedback)


def test_a_combined_hook_is_made_of_hooks():
    with pytest.raises(TypeError, match="^hooks must be "):
        feedbackd.create_combined_hook(print, "x")


WRONG_IN_DICTS = {
    "comment": WRONG_TEXTS,
    "message_id": WRONG_TEXTS,
    "agent_id": WRONG_TEXTS,
    "request_id": WRONG_TEXTS,
    "tags": WRONG_LISTS_OF_TEXTS,
    "author": ["eve", "", 5, 0, ["eve"], Other()],
    "author.id": [{"id": wrong} for wrong in [*WRONG_TEXTS, None]],
    "attributes": ["x", b"", 0, ["x"], [("k", "v")], {5: "v"}, Other()],
}


@pytest.mark.parametrize("key", WRONG_IN_DICTS)
def test_managers_name_a_wrong_key(address, key):
    manager = MongoDBSessionManager("s", address)
    for value in WRONG_IN_DICTS[key]:
        with pytest.raises(TypeError, match=f"^{key} must be "):
            manager.add_feedback({key.partition(".")[0]: value})
    assert manager.get_feedbacks() == []


def test_managers_name_a_wrong_metadata_argument(address):
    manager = MongoDBSessionManager("s", address)
    for value in ("x", b"x", 5, None, [5], Other()):
        with pytest.raises(TypeError, match="^metadata_keys must be "):
            manager.delete_metadata(value)
        with pytest.raises(TypeError, match="^metadata must be "):
            manager.update_metadata(value)
