"""The routes of feedbackd.fastapi."""

import asyncio
import threading

import httpx2
import pytest
from conftest import eventually
from fastapi import FastAPI
from fastapi.testclient import TestClient
from feedbackd import InvalidArgumentError
from feedbackd.fastapi import feedback_router

URL = "/api/sessions/s/feedback"


def application(address, **options):
    app = FastAPI()
    app.include_router(feedback_router(address, **options))
    return app


@pytest.fixture
def address(daemon):
    return f"unix:{daemon.socket}"


@pytest.fixture
def http(address):
    with TestClient(application(address)) as http:
        yield http


def test_feedback_is_recorded_and_listed(http):
    answer = http.post(URL, json={"rating": "up", "comment": "é"})
    assert answer.status_code == 200
    assert answer.json() == {"status": "success", "message": "Feedback recorded"}
    http.post(URL, json={"comment": "neutral"})
    http.post(URL, json={"rating": None})
    body = http.get(URL).json()
    assert (body["session_id"], body["total"]) == ("s", 3)
    stored = [(feedback["rating"], feedback["comment"]) for feedback in body["feedbacks"]]
    assert stored == [("up", "é"), (None, "neutral"), (None, "")]
    assert set(body) == {"session_id", "feedbacks", "total"}
    assert set(body["feedbacks"][0]) == {"rating", "comment", "created_at", "feedback_id"}


def test_long_lists_come_in_parts(http):
    for index in range(5):
        http.post(URL, json={"comment": str(index)})
    body = http.get(URL, params={"limit": 2}).json()
    assert len(body["feedbacks"]) == 2
    assert body["total"] == 5
    rest = http.get(URL, params={"page_token": body["next_page_token"]}).json()
    assert [feedback["comment"] for feedback in rest["feedbacks"]] == ["2", "3", "4"]
    assert "next_page_token" not in rest


def test_metrics_are_of_all_sessions(http):
    for session, rating in [("a", "up"), ("a", "up"), ("b", "down"), ("b", None)]:
        http.post(f"/api/sessions/{session}/feedback", json={"rating": rating, "comment": "four"})
    assert http.get("/api/metrics/feedback").json() == {
        "total": 4,
        "positive": 2,
        "negative": 1,
        "neutral": 1,
        "avg_comment_length": 4.0,
        "satisfaction_rate": 50.0,
        "approval_rate": pytest.approx(200 / 3),
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"rating": "maybe"}, "rating"),
        ({"comment": "x" * 10_001}, "10000 code points"),
        ({"comment": "\0"}, "comment"),
    ],
)
def test_what_breaks_a_rule_is_400_with_its_message(http, body, message):
    answer = http.post(URL, json=body)
    assert answer.status_code == 400
    assert message in answer.json()["detail"]


def test_a_session_id_that_is_too_long_is_400(http):
    long = "s" * 256
    assert http.post(f"/api/sessions/{long}/feedback", json={}).status_code == 400
    assert http.get(f"/api/sessions/{long}/feedback").status_code == 400


@pytest.mark.parametrize("session_id", ["", "%00"])
def test_a_path_without_a_session_shows_nobodys_feedback(http, session_id):
    http.post(URL, json={"comment": "private"})
    url = f"/api/sessions/{session_id}/feedback"
    for answer in (http.get(url), http.post(url, json={"rating": "up"})):
        assert answer.status_code in (400, 404)
        assert "private" not in answer.text
    assert http.get("/api/metrics/feedback").json()["total"] == 1


@pytest.mark.parametrize("body", [{"rating": 5}, {"comment": ["a"]}, [], "up"])
def test_another_shape_is_422(http, body):
    assert http.post(URL, json=body).status_code == 422
    assert http.get(URL, params={"limit": 0}).status_code == 422


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_json_has_not_are_422(address, number):
    with TestClient(application(address), raise_server_exceptions=False) as http:
        for body in (
            '{"rating": %s}',
            '{"comment": %s}',
            '{"comment": [%s]}',
            "%s",
            "[%s]",
            '{"rating": %s, "comment": "c"}',
        ):
            answer = http.post(
                URL, content=body % number, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 422, body
            assert answer.json()["detail"][0]["loc"][0] == "body"
        assert http.get(URL).json()["total"] == 0


def test_a_key_without_a_meaning_has_a_value_of_json_too(http):
    headers = {"Content-Type": "application/json"}
    answer = http.post(URL, content='{"rating": "up", "other": NaN}', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "json_invalid"
    assert http.post(URL, json={"rating": "up", "other": 1.5}).status_code == 200


DEEP = b"[" * 100_000
#: What is wrong with bodies, as the answer says it.
NO_JSON = {
    b"{": "Expecting property name",
    b"\xff\xfe": "Expecting value",
    b'{"comment": "\xff"}': "the text is not UTF-8",
    "é".encode("latin-1"): "the text is not UTF-8",
    DEEP: "there are too many levels",
    b'{"comment": %b}' % DEEP: "there are too many levels",
    b'{"other": %b%b}' % (DEEP, b"]" * len(DEEP)): "there are too many levels",
    b'{"a":' * 100_000: "there are too many levels",
    b'{"rating": %b}' % (b"9" * 5000): "a number is too large",
    b'{"other": -%b}' % (b"9" * 5000): "a number is too large",
}


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: ascii(body[:20]))
def test_a_body_that_cannot_be_read_is_422_and_says_why(address, body):
    with TestClient(application(address), raise_server_exceptions=False) as http:
        answer = http.post(URL, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        (fault,) = answer.json()["detail"]
        assert fault["type"] == "json_invalid"
        assert NO_JSON[body] in fault["ctx"]["error"]
        assert http.get(URL).json()["total"] == 0


@pytest.mark.parametrize("number", [b"9" * 4000, b"-1e400", b"[" * 500 + b"]" * 500])
def test_a_value_of_another_type_is_422(address, number):
    """Whatever its size or depth: the answer does not repeat it."""
    with TestClient(application(address), raise_server_exceptions=False) as http:
        body = b'{"comment": %b}' % number
        answer = http.post(URL, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "comment"]


@pytest.mark.parametrize("body", [*NO_JSON, b'{"comment": NaN}'], ids=lambda body: ascii(body[:20]))
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", ""])
def test_a_body_that_is_not_said_to_be_json_is_422(address, kind, body):
    with TestClient(application(address), raise_server_exceptions=False) as http:
        answer = http.post(URL, content=body, headers={"Content-Type": kind} if kind else {})
        assert answer.status_code == 422


@pytest.mark.parametrize("text", ["comment", "rating"])
def test_text_that_utf_8_cannot_express_is_400(http, text):
    body = '{"%s": "\\ud800"}' % text
    answer = http.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


WRONG_OPTIONS = {
    "connection_string": [5, b"unix:s", ["unix:s"]],
    "feedback_hook": ["x", 0, []],
    "prefix": [5, None, ["/api"], b"/api"],
    "timeout": ["5", None, True, []],
}


@pytest.mark.parametrize("option", WRONG_OPTIONS)
def test_a_wrong_option_is_a_type_error_that_names_it(option):
    for value in WRONG_OPTIONS[option]:
        with pytest.raises(TypeError, match=f"^{option} must be "):
            feedback_router(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("connection_string", "mongodb://h"),
        ("prefix", "api"),
        ("prefix", "/api/"),
        ("timeout", 0),
    ],
)
def test_an_option_that_breaks_a_rule_is_a_value_error_that_names_it(option, value):
    with pytest.raises(InvalidArgumentError, match=f"^{option}: must "):
        feedback_router(**{option: value})


def test_the_routes_may_have_no_prefix(address):
    with TestClient(application(address, prefix="")) as http:
        assert http.get("/metrics/feedback").json()["total"] == 0


def test_a_page_token_that_is_none_is_400(http):
    assert http.get(URL, params={"page_token": "none"}).status_code == 400


def test_what_is_too_large_is_429(http):
    assert http.post(URL, json={"comment": "x" * (4 << 20)}).status_code == 429


def test_without_a_daemon_it_is_503_and_says_nothing_of_the_inside(folder):
    with TestClient(application(f"unix:{folder}/nothing", timeout=0.2)) as http:
        for answer in (
            http.post(URL, json={"rating": "up"}),
            http.get(URL),
            http.get("/api/metrics/feedback"),
        ):
            assert answer.status_code == 503
            assert str(folder) not in answer.text


def test_it_goes_on_when_the_daemon_is_back(durable_daemon):
    with TestClient(application(f"unix:{durable_daemon.socket}")) as http:
        http.post(URL, json={"rating": "up"})
        durable_daemon.stop()
        durable_daemon.start()
        assert http.get(URL).json()["total"] == 1


def test_a_daemon_that_does_not_answer_is_504(daemon, address):
    with TestClient(application(address, timeout=0.2)) as http:
        http.get(URL)
        daemon.freeze()
        assert http.get(URL).status_code == 504


def test_a_hook_stands_around_every_post(address, client):
    def hook(original_func, action, session_id, **kwargs):
        feedback = kwargs["feedback"]
        assert kwargs["session_manager"].session_id == session_id
        if feedback["rating"] == "down" and not feedback["comment"]:
            raise ValueError("say why")
        if feedback["comment"] == "secret":
            raise PermissionError("the reason is not told")
        if feedback["comment"] == "bug":
            raise KeyError("the inside")
        return original_func({**feedback, "_checked": "yes"})

    app = application(address, feedback_hook=hook)
    with TestClient(app, raise_server_exceptions=False) as http:
        assert http.post(URL, json={"rating": "up"}).status_code == 200
        answer = http.post(URL, json={"rating": "down"})
        assert (answer.status_code, answer.json()) == (400, {"detail": "say why"})
        answer = http.post(URL, json={"comment": "secret"})
        assert (answer.status_code, answer.json()) == (403, {"detail": "not permitted"})
        answer = http.post(URL, json={"comment": "bug"})
        assert answer.status_code == 500
        assert "inside" not in answer.text
        (stored,) = client.list_feedbacks("s")
        assert stored.attributes == {"_checked": "yes"}


def test_handlers_do_not_block_the_event_loop(daemon, address):
    """While posts wait for a server that stands still, another route answers."""
    app = application(address, timeout=60)

    @app.get("/alive")
    async def alive():
        return {}

    async def main():
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            await http.get(URL)
            daemon.freeze()
            posts = [asyncio.create_task(http.post(URL, json={})) for _ in range(20)]
            assert (await http.get("/alive")).status_code == 200
            assert not any(post.done() for post in posts)
            daemon.thaw()
            assert {answer.status_code for answer in await asyncio.gather(*posts)} == {200}
            assert (await http.get(URL)).json()["total"] == 20

    asyncio.run(main())


def test_a_hook_that_waits_does_not_block_the_event_loop(address):
    released = threading.Event()

    def hook(original_func, action, session_id, **kwargs):
        released.wait()
        return original_func(kwargs["feedback"])

    app = application(address, feedback_hook=hook)

    async def main():
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            post = asyncio.create_task(http.post(URL, json={}))
            assert (await http.get(URL)).json()["total"] == 0
            released.set()
            assert (await post).status_code == 200

    asyncio.run(main())


def test_the_application_may_be_started_again_and_leaves_no_connection(daemon, address):
    app = application(address)
    for _ in range(2):
        with TestClient(app) as http:
            assert http.post(URL, json={"rating": "up"}).status_code == 200
    eventually(lambda: daemon.connections() == 0)
