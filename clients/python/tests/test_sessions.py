"""The guide's API: what its blocks in test_guide.py do not show."""

from datetime import timedelta

import feedbackd
import pytest
from feedbackd import (
    InvalidArgumentError,
    MongoDBSessionManager,
    create_combined_hook,
    create_mongodb_session_manager,
)


@pytest.fixture
def address(daemon):
    return f"unix:{daemon.socket}"


@pytest.fixture
def manager(address):
    return create_mongodb_session_manager(
        session_id="s", connection_string=address, database_name="d", collection_name="c"
    )


def test_feedback_comes_back_as_dicts(manager, client):
    manager.add_feedback({"rating": "up", "comment": "a"})
    manager.add_feedback({"rating": None, "comment": None})
    manager.add_feedback({"rating": "down"})
    manager.add_feedback({})
    stored = [(one["rating"], one["comment"]) for one in manager.get_feedbacks()]
    assert stored == [("up", "a"), (None, ""), ("down", ""), (None, "")]
    first, listed = manager.get_feedbacks()[0], next(client.list_feedbacks("s"))
    assert first["created_at"] == listed.created_at
    assert first["created_at"].utcoffset() == timedelta(0)
    assert set(first) == {"rating", "comment", "created_at", "feedback_id"}


def test_a_session_without_feedback_is_empty(manager):
    assert manager.get_feedbacks() == []
    assert manager.get_metadata() == {}
    manager.delete_metadata(["a"])


def test_metadata_is_merged_and_deleted(manager):
    manager.update_metadata({"experiment": "prompt_v2", "variant": "B"})
    manager.update_metadata({"variant": "C"})
    assert manager.get_metadata() == {"experiment": "prompt_v2", "variant": "C"}
    manager.delete_metadata(["experiment"])
    assert manager.get_metadata() == {"variant": "C"}


def test_all_fields_of_feedback_have_a_key(manager):
    given = {
        "rating": "down",
        "comment": "c",
        "message_id": "m",
        "agent_id": "a",
        "author": {"source": "human", "id": "eve"},
        "tags": ["t"],
        "attributes": {"model": "x"},
    }
    manager.add_feedback({**given, "request_id": "r"})
    assert manager.add_feedback({**given, "request_id": "r"}).replayed
    (stored,) = manager.get_feedbacks()
    assert {key: stored[key] for key in given} == given


def test_keys_that_hooks_add_travel_as_attributes(manager):
    manager.add_feedback(
        {"rating": "up", "_validated_at": "2024-01-22", "_score": 0.5, "_by": {"é": [1, None]}}
    )
    (stored,) = manager.get_feedbacks()
    assert stored["_validated_at"] == "2024-01-22"
    assert stored["_score"] == "0.5"
    assert stored["_by"] == '{"é": [1, null]}'


@pytest.mark.parametrize(
    ("feedback", "field"),
    [
        ({"rating": "maybe", "comment": "?"}, "rating"),
        ({"thumbs": True, "text": "good"}, "feedback"),
        ({"rating": "up", "created_at": "2024-01-22T15:00:00Z"}, "feedback"),
        ({"rating": "up", 5: "x"}, "feedback"),
        ({"rating": "up", "author": {"source": "robot"}}, "author.source"),
        ({"rating": "up", "_long": "x" * 2000}, "attributes.value"),
        ({"rating": "up", "comment": "x" * 10_001}, "comment"),
    ],
)
def test_feedback_that_breaks_a_rule_is_refused(manager, feedback, field):
    with pytest.raises(ValueError) as caught:
        manager.add_feedback(feedback)
    assert isinstance(caught.value, InvalidArgumentError)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert manager.get_feedbacks() == []


def test_feedback_is_a_dict(manager):
    with pytest.raises(TypeError):
        manager.add_feedback("up")


@pytest.mark.parametrize("name", ["feedbackHook", "feedback_hook"])
def test_a_hook_is_given_under_either_name(address, name):
    calls = []

    def hook(original_func, action, session_id, **kwargs):
        calls.append((action, session_id, sorted(kwargs), kwargs["session_manager"]))
        return original_func(kwargs["feedback"])

    manager = MongoDBSessionManager("s", address, **{name: hook})
    added = manager.add_feedback({"rating": "up"})
    assert calls == [("add", "s", ["feedback", "session_manager"], manager)]
    assert added.feedback.rating.value == "up"
    with pytest.raises(TypeError):
        MongoDBSessionManager("s", address, feedback_hook=hook, feedbackHook=hook)


def test_a_hook_may_change_refuse_and_answer(address):
    def change(original_func, action, session_id, **kwargs):
        original_func({**kwargs["feedback"], "comment": "changed"})
        return "answer"

    def refuse(original_func, action, session_id, **kwargs):
        raise ValueError("not today")

    changing = MongoDBSessionManager("s", address, feedbackHook=change)
    assert changing.add_feedback({"rating": "up", "comment": "given"}) == "answer"
    refusing = MongoDBSessionManager("s", address, feedbackHook=refuse)
    with pytest.raises(ValueError, match="not today"):
        refusing.add_feedback({"rating": "up"})
    assert [stored["comment"] for stored in refusing.get_feedbacks()] == ["changed"]


def test_combined_hooks_stand_around_each_other_and_all_see_the_manager(address):
    steps = []

    def named(name):
        def hook(original_func, action, session_id, **kwargs):
            steps.append((f"before {name}", kwargs["session_manager"].session_id))
            feedback = {**kwargs["feedback"], f"_{name}": "seen"}
            result = original_func(feedback)
            steps.append((f"after {name}", session_id))
            return result

        return hook

    combined = create_combined_hook(named("outer"), named("inner"))
    manager = MongoDBSessionManager("s", address, feedbackHook=combined)
    manager.add_feedback({"rating": "up"})
    names = ["before outer", "before inner", "after inner", "after outer"]
    assert steps == [(name, "s") for name in names]
    (stored,) = manager.get_feedbacks()
    assert stored["_outer"] == stored["_inner"] == "seen"


def test_managers_of_one_socket_share_a_connection(daemon, address):
    for number in range(5):
        create_mongodb_session_manager(f"s{number}", address).add_feedback({"rating": "up"})
    assert daemon.connections() == 1


def test_the_global_factory(daemon, address):
    with pytest.raises(RuntimeError, match="initialize_global_factory"):
        feedbackd.get_global_factory()
    feedbackd.close_global_factory()
    factory = feedbackd.initialize_global_factory(
        connection_string=address, database_name="d", collection_name="c"
    )
    assert feedbackd.get_global_factory() is factory
    factory.create_session_manager("s").add_feedback({"rating": "up"})
    assert daemon.connections() == 1
    assert feedbackd.initialize_global_factory(address) is feedbackd.get_global_factory()
    feedbackd.close_global_factory()
    with pytest.raises(RuntimeError):
        feedbackd.get_global_factory()


@pytest.mark.parametrize(
    "text", ["mongodb://user:secret@host/", "mongodb+srv://user:secret@host/", "/a/path", "unix:"]
)
def test_another_connection_string_is_refused_without_repeating_it(text):
    for make in (
        lambda: MongoDBSessionManager("s", text),
        lambda: create_mongodb_session_manager("s", text),
        lambda: feedbackd.initialize_global_factory(text),
    ):
        with pytest.raises(ValueError) as caught:
            make()
        assert "secret" not in str(caught.value)
        if text.startswith("mongodb"):
            assert "unix:PATH" in str(caught.value)
            assert "feedbackd --store" in str(caught.value)


def test_the_default_is_the_daemons_usual_socket(daemon, monkeypatch):
    monkeypatch.setenv("FEEDBACKD_SOCKET", daemon.socket)
    manager = create_mongodb_session_manager("s")
    manager.add_feedback({"rating": "up"})
    assert len(manager.get_feedbacks()) == 1
