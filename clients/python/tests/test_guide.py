"""The Python blocks of the guide of mongodb-session-manager, run one by one.

Each file in guide/ is one block, in the guide's order; only its import line and its connection
string are ours. A test runs the blocks that the reader has run before, in one namespace.
"""

import logging
from datetime import datetime
from pathlib import Path

import feedbackd
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from feedbackd import InvalidArgumentError, create_mongodb_session_manager

GUIDE = Path(__file__).parent / "guide"
ADDRESS = "unix:/run/feedbackd/feedbackd.sock"


class Reader:
    """Runs blocks against a daemon."""

    def __init__(self, address):
        self.address = address
        self.names = {"__name__": "guide"}

    def run(self, *numbers):
        """Runs blocks by their number in the guide, with what earlier ones have defined."""
        for number in numbers:
            (path,) = GUIDE.glob(f"{number:02}_*.py")
            source = path.read_text().replace(ADDRESS, self.address)
            exec(compile(source, str(path), "exec"), self.names)

    def __getitem__(self, name):
        return self.names[name]

    def stored(self):
        return [
            (feedback["rating"], feedback["comment"])
            for feedback in self["session_manager"].get_feedbacks()
        ]


@pytest.fixture
def reader(daemon):
    return Reader(f"unix:{daemon.socket}")


@pytest.fixture
def reader_with_factory(reader):
    feedbackd.initialize_global_factory(connection_string=reader.address)
    yield reader
    feedbackd.close_global_factory()


def stored_in(address, session_id):
    return create_mongodb_session_manager(session_id, address).get_feedbacks()


def test_every_block_is_here():
    assert [int(path.name[:2]) for path in sorted(GUIDE.glob("*.py"))] == list(range(1, 25))


def test_01_adding_feedback(reader):
    reader.run(1)
    assert reader.stored() == [
        ("up", "The response was very helpful!"),
        ("down", "The answer was incomplete"),
        (None, "Just saving this for later"),
        ("up", ""),
    ]


def test_02_getting_feedback(reader, capsys):
    reader.run(1, 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "Total feedbacks: 4",
        "Rating: up",
        "Comment: The response was very helpful!",
    ]
    assert lines.count("---") == 4
    created = [line.removeprefix("Created: ") for line in lines if line.startswith("Created: ")]
    assert all(datetime.fromisoformat(text).tzinfo for text in created)


def test_03_feedback_object(reader):
    # A dict by itself does nothing.
    reader.run(3)


def test_04_example_with_all_fields(reader):
    reader.run(1, 4)
    assert reader.stored()[-1][0] == "up"
    assert reader.stored()[-1][1].startswith("The code example was perfect")
    assert isinstance(reader["session_manager"].get_feedbacks()[-1]["created_at"], datetime)


def test_05_hook_interface(reader):
    # The block defines the hook only, so the test uses it.
    reader.run(5)
    manager = create_mongodb_session_manager(
        "s", reader.address, feedback_hook=reader["feedback_hook"]
    )
    manager.add_feedback({"rating": "up", "comment": "c"})
    assert len(manager.get_feedbacks()) == 1


def test_06_audit_hook(reader, caplog):
    caplog.set_level(logging.INFO)
    reader.run(6)
    assert reader.stored() == [("up", "Great!")]
    assert [record.getMessage() for record in caplog.records] == [
        "[FEEDBACK AUDIT] Session: user-123",
        "[FEEDBACK AUDIT] Rating: up",
        "[FEEDBACK AUDIT] Comment: Great!",
        "[FEEDBACK AUDIT] Saved successfully",
    ]


def test_07_validation_hook(reader, capsys):
    reader.names["MongoDBSessionManager"] = feedbackd.MongoDBSessionManager
    reader.run(7)
    assert reader.stored() == [("down", "The response was incomplete")]
    (stored,) = reader["session_manager"].get_feedbacks()
    datetime.fromisoformat(stored["_validated_at"])
    expected = "Validation error: Please provide a comment with negative feedback\n"
    assert capsys.readouterr().out == expected


def test_08_notification_hook(reader, caplog):
    reader.run(6)
    caplog.clear()
    reader.run(8)
    assert reader.stored()[-1] == ("down", "The code had syntax errors")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "[ALERT] Negative feedback for session user-123",
        "[ALERT] Count: 1",
        "[ALERT] Comment: The code had syntax errors",
    ]


def test_09_analytics_hook(reader, capsys):
    reader.run(6, 9)
    assert len(reader.stored()) == 4
    assert capsys.readouterr().out == "Satisfaction rate: 66.7%\n"
    # The server's own metrics say the same of this hook's three.
    assert reader["metrics"]["avg_comment_length"] == pytest.approx((10 + 15 + 7) / 3)


def test_10_combined_hooks(reader, caplog):
    caplog.set_level(logging.INFO)
    reader.run(6, 7, 8)
    caplog.clear()
    reader.run(10)
    assert reader.stored()[-1] == ("down", "The response was unclear")
    messages = [record.getMessage() for record in caplog.records]
    # Validation changed nothing; audit stands around notification.
    assert messages[0] == "[FEEDBACK AUDIT] Session: user-123"
    assert "[ALERT] Count: 1" in messages
    assert messages[-1] == "[FEEDBACK AUDIT] Saved successfully"


def test_11_quality_monitoring(reader, capsys):
    reader.run(1)
    capsys.readouterr()
    reader.run(11)
    assert capsys.readouterr().out == "Satisfaction: 60.0%\n"


def test_12_improvement_insights(reader, capsys):
    reader.run(1, 12)
    assert capsys.readouterr().out == "Issue: The answer was incomplete\n"


def test_13_real_time_alerts(reader):
    # The block defines the hook only, and the two functions that it calls are the reader's.
    alerts = []
    reader.names["send_slack_alert"] = alerts.append
    reader.names["send_email_alert"] = lambda to, feedback: alerts.append((to, feedback["rating"]))
    reader.run(13)
    manager = create_mongodb_session_manager(
        "s", reader.address, feedback_hook=reader["alert_hook"]
    )
    manager.add_feedback({"rating": "up", "comment": "fine"})
    manager.add_feedback({"rating": "down", "comment": "bad"})
    assert alerts == ["Negative feedback: bad", ("support@example.com", "down")]
    assert len(manager.get_feedbacks()) == 2


def test_14_ab_testing(reader, client):
    reader.run(1, 14)
    assert reader["session_manager"].get_metadata() == {"experiment": "prompt_v2", "variant": "B"}
    groups = client.get_metrics(group_by=feedbackd.GroupBy.METADATA, metadata_key="variant").groups
    assert groups["B"].positive == 3


def test_15_basic_integration(reader_with_factory):
    reader = reader_with_factory
    reader.run(15)
    http = TestClient(reader["app"])
    url = "/api/sessions/user-123/feedback"
    answer = http.post(url, json={"rating": "up", "comment": "Great!"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "success", "message": "Feedback recorded"},
    )
    assert http.post(url, json={}).status_code == 200
    body = http.get(url).json()
    assert (body["session_id"], body["total"]) == ("user-123", 2)
    assert body["feedbacks"][0]["comment"] == "Great!"
    # The block makes 500 of every error.
    assert http.post(url, json={"rating": "maybe"}).status_code == 500


def test_16_with_validation_hook(reader_with_factory):
    reader = reader_with_factory
    reader.run(15, 16)
    http = TestClient(reader["app"])
    url = "/api/sessions/user-123/feedback"
    assert http.post(url, json={"rating": "up"}).json() == {"status": "success"}
    answer = http.post(url, json={"rating": "down", "comment": " "})
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Please provide a comment with negative feedback"}
    answer = http.post(url, json={"rating": "maybe"})
    assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid rating: maybe")
    assert len(stored_in(reader.address, "user-123")) == 1


def test_17_with_analytics(reader_with_factory):
    reader = reader_with_factory
    reader.run(6, 9, 15, 17)
    http = TestClient(reader["app"])
    http.post("/api/sessions/web/feedback", json={"rating": "up", "comment": "four"})
    http.post("/api/sessions/web/feedback", json={"rating": "down", "comment": ""})
    assert http.get("/api/metrics/feedback").json() == {
        "total": 2,
        "positive": 1,
        "negative": 1,
        "neutral": 0,
        "avg_comment_length": 2,
    }
    assert len(stored_in(reader.address, "web")) == 2


def test_18_always_validate_input(reader):
    reader.run(1)
    # Its last call is the guide's bad example: the server knows no such rating and refuses it.
    with pytest.raises(InvalidArgumentError, match="rating"):
        reader.run(18)
    assert len(reader.stored()) == 4
    manager = create_mongodb_session_manager(
        "s", reader.address, feedback_hook=reader["validate_feedback"]
    )
    with pytest.raises(ValueError, match="Invalid rating"):
        manager.add_feedback({"rating": "maybe"})


def test_19_require_comments_for_negative_feedback(reader):
    # A part of a hook, so `feedback` is what the hook would have.
    reader.run(1)
    reader.names["feedback"] = {"rating": "down", "comment": ""}
    with pytest.raises(ValueError, match="Comment required"):
        reader.run(19)
    reader.names["feedback"] = {"rating": "down", "comment": "why"}
    reader.run(19)
    # The bad example is stored: only a hook asks for comments.
    assert reader.stored()[-1] == ("down", "")


def test_20_limit_comment_length(reader):
    # A part of a hook, so `feedback` is what the hook would have.
    reader.run(1)
    reader.names["feedback"] = {"comment": "x" * 1001}
    with pytest.raises(ValueError, match="max: 1000"):
        reader.run(20)
    reader.names["feedback"] = {"comment": "x" * 1000}
    # Its last call is the guide's bad example: the server takes 10,000 code points at most.
    with pytest.raises(InvalidArgumentError, match="10000 code points"):
        reader.run(20)
    assert len(reader.stored()) == 4


def test_21_alert_on_negative_feedback(reader):
    # A part of a hook, so `feedback` and the function that alerts are the reader's.
    alerts = []
    reader.names["send_alert_to_support_team"] = lambda *alert: alerts.append(alert)
    reader.names["session_id"] = "s"
    for rating in ("up", "down"):
        reader.names["feedback"] = {"rating": rating}
        reader.run(21)
    assert alerts == [("s", {"rating": "down"})]


def test_22_track_metrics(reader):
    reader.run(6, 9, 22)
    assert reader["analytics_hook"].get_metrics()["total"] == 0


def test_23_use_hooks_for_cross_cutting_concerns(reader):
    reader.run(6, 7, 8, 9, 10)
    reader.names["validation_hook"] = reader["feedback_validation_hook"]
    reader.names["audit_hook"] = reader["feedback_audit_hook"]
    # It names no session, without which there is no manager in that package either.
    with pytest.raises(TypeError, match="session_id"):
        reader.run(23)


def test_24_store_structured_data(reader):
    reader.run(1)
    # Its last call is the guide's bad example: keys without a meaning are refused.
    with pytest.raises(InvalidArgumentError, match="unknown keys"):
        reader.run(24)
    assert reader.stored()[-1] == ("up", "Helpful response")


def test_the_routers_bodies_are_those_of_the_blocks(reader_with_factory):
    """What a page gets from block 15 it gets from feedbackd.fastapi too."""
    from feedbackd.fastapi import feedback_router

    reader = reader_with_factory
    reader.run(15)
    ours = FastAPI()
    ours.include_router(feedback_router(reader.address))
    url = "/api/sessions/user-123/feedback"
    with TestClient(reader["app"]) as theirs, TestClient(ours) as http:
        body = {"rating": "down", "comment": "é"}
        assert http.post(url, json=body).json() == theirs.post(url, json=body).json()
        mine, other = http.get(url).json(), theirs.get(url).json()
        for feedback in mine["feedbacks"] + other["feedbacks"]:
            feedback["created_at"] = datetime.fromisoformat(
                feedback["created_at"].replace("Z", "+00:00")
            )
        assert mine == other
