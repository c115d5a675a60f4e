"""The API of the Python package mongodb-session-manager, as far as it is about feedback.

Names, arguments and hooks are the same, so that programs for that package only change their import
line and their connection string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._address import path_of
from ._arguments import checked_texts, wrong_type
from ._messages import checked_session_id
from .client import FeedbackClient
from .errors import NotFoundError, invalid_argument
from .values import AddedFeedback, Author, AuthorSource, Feedback, Metadata

#: Called as ``hook(original_func, action, session_id, feedback=…, session_manager=…)``; stores by
#: ``original_func(feedback)`` and returns what that returns, or raises to refuse.
FeedbackHook = Callable[..., Any]

_TEXT_KEYS = ("message_id", "agent_id", "request_id")
_KEYS = ("rating", "comment", *_TEXT_KEYS, "author", "tags", "attributes")


class MongoDBSessionManager:
    """One session's feedback and metadata.

    Its methods raise TypeError for an argument of a wrong type, and INVALID_ARGUMENT, which is also
    a ValueError, for one that breaks a rule; both name the argument, or the key of a feedback.

    A manager may be used from many threads. Managers without a `client` of their own share one
    connection per socket; nothing is connected, and no session is made, before the first call.
    """

    def __init__(
        self,
        session_id: str,
        connection_string: str | None = None,
        database_name: str | None = None,
        collection_name: str | None = None,
        client: FeedbackClient | None = None,
        *,
        feedback_hook: FeedbackHook | None = None,
        feedbackHook: FeedbackHook | None = None,
    ) -> None:
        """Makes a manager of a session.

        The connection_string is ``unix:PATH``, by default the daemon's usual socket. The names of
        the database and the collection are ignored: they belong to the daemon's settings. The hook
        may be given under either name. An empty session_id is INVALID_ARGUMENT, and so is any other
        connection string, such as ``mongodb://…``.
        """
        if feedback_hook is not None and feedbackHook is not None:
            raise TypeError("feedback_hook and feedbackHook are the same: give one of them")
        self.session_id = checked_session_id(session_id)
        self._client = _checked_client(client) or _shared_client(path_of(connection_string))
        self._hook = checked_hook("feedback_hook", feedback_hook) or checked_hook(
            "feedbackHook", feedbackHook
        )

    def add_feedback(self, feedback: Mapping[str, Any]) -> Any:
        """Stores a feedback, through the hook if there is one.

        Its keys are "rating" ("up", "down" or None) and "comment", and, beyond that package,
        "message_id", "agent_id", "request_id", "author" ({"source", "id"}), "tags", "attributes".
        Keys that begin with "_", as hooks add them, are stored as attributes: strings as they are,
        other values as JSON. Any other key, and any other rating, of whatever type, is
        INVALID_ARGUMENT.

        Returns what the hook returns; without one the `AddedFeedback`.
        """
        _check_feedback(feedback)
        if self._hook is None:
            return self._store(feedback)
        return self._hook(
            self._store, "add", self.session_id, feedback=feedback, session_manager=self
        )

    def get_feedbacks(self) -> list[dict[str, Any]]:
        """Returns all feedback of the session, in the order of insertion; an unknown one has none.

        The keys are "rating" ("up", "down" or None), "comment", "created_at" (an aware datetime),
        "feedback_id", whatever else is not empty, and the attributes that begin with "_".
        """
        # Checked again: to a client, ALL_SESSIONS is a session_id, and programs may set this one.
        session_id = checked_session_id(self.session_id)
        return [to_dict(stored) for stored in self._client.list_feedbacks(session_id)]

    def update_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Merges top-level keys into the session's metadata."""
        self._client.update_metadata(self.session_id, metadata)

    def get_metadata(self) -> Metadata:
        """Returns the session's metadata, which is empty before anything is written."""
        try:
            return self._client.get_metadata(self.session_id)
        except NotFoundError:
            return {}

    def delete_metadata(self, metadata_keys: Iterable[str]) -> None:
        """Removes top-level keys; keys that the session does not have are passed over."""
        keys = checked_texts("metadata_keys", metadata_keys)
        try:
            self._client.delete_metadata(self.session_id, keys)
        except NotFoundError:
            pass

    def close(self) -> None:
        """Does nothing: the connection is shared with other managers."""

    def _store(self, feedback: Mapping[str, Any]) -> AddedFeedback:
        return self._client.add_feedback(self.session_id, **arguments_of(feedback))


def create_mongodb_session_manager(
    session_id: str,
    connection_string: str | None = None,
    database_name: str | None = None,
    collection_name: str | None = None,
    client: FeedbackClient | None = None,
    *,
    feedback_hook: FeedbackHook | None = None,
    feedbackHook: FeedbackHook | None = None,
) -> MongoDBSessionManager:
    """Makes a `MongoDBSessionManager`, with the same arguments."""
    return MongoDBSessionManager(
        session_id,
        connection_string,
        database_name,
        collection_name,
        client,
        feedback_hook=feedback_hook,
        feedbackHook=feedbackHook,
    )


class MongoDBSessionManagerFactory:
    """Makes managers that share one client."""

    def __init__(
        self,
        connection_string: str | None = None,
        database_name: str | None = None,
        collection_name: str | None = None,
        client: FeedbackClient | None = None,
    ) -> None:
        """Takes the arguments of `MongoDBSessionManager` that all managers share."""
        self._owns_client = client is None
        self._client = _checked_client(client) or FeedbackClient(path_of(connection_string))

    def create_session_manager(
        self,
        session_id: str,
        *,
        feedback_hook: FeedbackHook | None = None,
        feedbackHook: FeedbackHook | None = None,
    ) -> MongoDBSessionManager:
        """Makes a manager of the session."""
        return MongoDBSessionManager(
            session_id,
            client=self._client,
            feedback_hook=feedback_hook,
            feedbackHook=feedbackHook,
        )

    def close(self) -> None:
        """Closes the connection, unless it belongs to a client that was given."""
        if self._owns_client:
            self._client.close()


_factory: MongoDBSessionManagerFactory | None = None


def initialize_global_factory(
    connection_string: str | None = None,
    database_name: str | None = None,
    collection_name: str | None = None,
    client: FeedbackClient | None = None,
) -> MongoDBSessionManagerFactory:
    """Makes the factory that `get_global_factory` returns; closes the former one."""
    global _factory
    factory = MongoDBSessionManagerFactory(
        connection_string, database_name, collection_name, client
    )
    close_global_factory()
    _factory = factory
    return factory


def get_global_factory() -> MongoDBSessionManagerFactory:
    """Returns the factory of `initialize_global_factory`; raises RuntimeError if there is none."""
    if _factory is None:
        raise RuntimeError("there is no global factory: call initialize_global_factory() first")
    return _factory


def close_global_factory() -> None:
    """Closes the global factory, if there is one."""
    global _factory
    factory, _factory = _factory, None
    if factory is not None:
        factory.close()


def create_combined_hook(*hooks: FeedbackHook) -> FeedbackHook:
    """Combines hooks to one: the first is outermost, and each gets all keyword arguments."""
    if not all(map(callable, hooks)):
        raise TypeError("hooks must be callable")

    def combined(
        original_func: Callable[[Mapping[str, Any]], Any],
        action: str,
        session_id: str,
        **kwargs: Any,
    ) -> Any:
        following = original_func
        for hook in reversed(hooks):
            following = _around(hook, following, action, session_id, kwargs)
        return following(kwargs["feedback"])

    return combined


def _around(
    hook: FeedbackHook,
    following: Callable[[Mapping[str, Any]], Any],
    action: str,
    session_id: str,
    kwargs: Mapping[str, Any],
) -> Callable[[Mapping[str, Any]], Any]:
    def call(feedback: Mapping[str, Any]) -> Any:
        return hook(following, action, session_id, **{**kwargs, "feedback": feedback})

    return call


def arguments_of(feedback: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a feedback's dict to the arguments of `FeedbackClient.add_feedback`."""
    # Checked here too: a hook may pass on anything.
    _check_feedback(feedback)
    unknown = sorted(
        str(key)
        for key in feedback
        if not (isinstance(key, str) and (key in _KEYS or key.startswith("_")))
    )
    if unknown:
        raise invalid_argument(
            "feedback",
            f"has unknown keys; known are {', '.join(_KEYS)}, and those that begin with _",
        )
    comment = feedback.get("comment")
    arguments = {"rating": feedback.get("rating"), "comment": "" if comment is None else comment}
    arguments |= {key: feedback[key] for key in (*_TEXT_KEYS, "tags") if key in feedback}
    if feedback.get("author") is not None:
        arguments["author"] = _author(feedback["author"])
    attributes: dict[str, Any] = {}
    if feedback.get("attributes") is not None:
        if not isinstance(feedback["attributes"], Mapping):
            raise wrong_type("attributes", "a dict", feedback["attributes"])
        attributes |= feedback["attributes"]
    attributes |= {key: value for key, value in feedback.items() if key.startswith("_")}
    arguments["attributes"] = {key: _attribute(value) for key, value in attributes.items()}
    return arguments


def to_dict(feedback: Feedback) -> dict[str, Any]:
    """Converts a feedback to the dict that `MongoDBSessionManager.get_feedbacks` returns."""
    result: dict[str, Any] = {
        "rating": feedback.rating.value,
        "comment": feedback.comment,
        "created_at": feedback.created_at,
    }
    if feedback.updated_at != feedback.created_at:
        result["updated_at"] = feedback.updated_at
    for key in ("feedback_id", "message_id", "agent_id"):
        if value := getattr(feedback, key):
            result[key] = value
    if feedback.author is not None:
        result["author"] = {
            "source": feedback.author.source.name.lower(),
            "id": feedback.author.id,
        }
    if feedback.tags:
        result["tags"] = list(feedback.tags)
    named = {key: value for key, value in feedback.attributes.items() if not key.startswith("_")}
    if named:
        result["attributes"] = named
    return result | {k: value for k, value in feedback.attributes.items() if k.startswith("_")}


def _check_feedback(feedback: Mapping[str, Any]) -> None:
    if not isinstance(feedback, Mapping):
        raise wrong_type("feedback", "a dict", feedback)


def _author(value: Author | Mapping[str, Any]) -> Author:
    if isinstance(value, Author):
        return value
    if not isinstance(value, Mapping):
        raise wrong_type("author", "a dict", value)
    try:
        source = AuthorSource[str(value.get("source", "unspecified")).upper()]
    except KeyError:
        raise invalid_argument("author.source", 'must be "human", "model" or "code"') from None
    return Author(source, value.get("id", ""))


def _attribute(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError):
        raise invalid_argument("attributes.value", "must be a string or a JSON value") from None


def checked_hook(argument: str, hook: FeedbackHook | None) -> FeedbackHook | None:
    if not (hook is None or callable(hook)):
        raise wrong_type(argument, "callable", hook)
    return hook


def _checked_client(client: FeedbackClient | None) -> FeedbackClient | None:
    if not (client is None or isinstance(client, FeedbackClient)):
        raise wrong_type("client", "a FeedbackClient", client)
    return client


_clients: dict[str, FeedbackClient] = {}


def _shared_client(path: str) -> FeedbackClient:
    """Returns the socket's client. It is never closed: its connection ends with the process."""
    # There is no lock, which a forked child might find held: a client too many connects nothing.
    return _clients.get(path) or _clients.setdefault(path, FeedbackClient(path))
