//! Watches, over scripted bytes and real daemons.

mod support;

use std::{
    io::{Read, Write},
    os::unix::net::UnixListener,
    thread::{self, JoinHandle},
    time::Duration,
};

use feedbackd::protobuf::Message;
use feedbackd::*;
use support::*;

const RESPONSE: u8 = 2;
const DATA: u8 = 3;
const REMOTE_CLOSED: u8 = 1;
const NO_DATA: u8 = 4;

fn frame(kind: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = (data.len() as u32).to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 1, kind, flags]);
    frame.extend(data);
    frame
}

/// A field of protobuf's with bytes of less than 128.
fn field(number: u8, data: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, data.len() as u8], data].concat()
}

fn change(position: &str, comment: &str) -> Vec<u8> {
    let mut change = Change::new();
    change.position = position.into();
    change.kind = Change_Kind::KIND_ADDED;
    change.mut_feedback().comment = comment.into();
    frame(DATA, 0, &field(1, &change.write_to_bytes().unwrap()))
}

fn heartbeat(position: &str) -> Vec<u8> {
    frame(DATA, 0, &field(2, position.as_bytes()))
}

fn refusal(code: Code) -> Vec<u8> {
    frame(RESPONSE, 0, &field(1, &[8, code as u8]))
}

fn end() -> Vec<u8> {
    frame(DATA, REMOTE_CLOSED | NO_DATA, &[])
}

/// Says what it is told, one text for each connection, and returns the requests.
fn script(daemon: &Daemon, answers: Vec<Vec<u8>>) -> JoinHandle<Vec<WatchFeedbacksRequest>> {
    let listener = UnixListener::bind(daemon.socket()).unwrap();
    thread::spawn(move || {
        let answer = |answer: Vec<u8>| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut header = [0; 10];
            stream.read_exact(&mut header).unwrap();
            assert_eq!(header[4..], [0, 0, 0, 1, 1, REMOTE_CLOSED]);
            let mut data = vec![0; u32::from_be_bytes(header[..4].try_into().unwrap()) as usize];
            stream.read_exact(&mut data).unwrap();
            // One byte at a time: frames have no edges in a stream.
            for byte in answer {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
            }
            // The envelope has the service, the method and the payload, and no time limit.
            let payload = 2 + "feedback.v1.FeedbackService".len() + 2 + "WatchFeedbacks".len();
            if data.len() == payload {
                return everything();
            }
            assert_eq!(data[payload], 3 << 3 | 2);
            assert_eq!(data[payload + 1] as usize, data.len() - payload - 2);
            WatchFeedbacksRequest::parse_from_bytes(&data[payload + 2..]).unwrap()
        };
        answers.into_iter().map(answer).collect()
    })
}

fn impatient(daemon: &Daemon) -> Client {
    let mut client = daemon.client();
    client.attempts_max = 1;
    client.backoff = Duration::from_millis(1);
    client
}

fn everything() -> WatchFeedbacksRequest {
    WatchFeedbacksRequest::new()
}

fn following() -> WatchFeedbacksRequest {
    WatchFeedbacksRequest {
        follow: true,
        ..Default::default()
    }
}

fn comments(changes: &mut Changes) -> Vec<String> {
    changes
        .map(|change| change.unwrap().take_feedback().comment)
        .collect()
}

#[test]
fn heartbeats_are_no_changes_and_move_the_position() {
    let daemon = Daemon::new();
    let mut last = change("4", "b");
    last[9] = REMOTE_CLOSED;
    let stream = [
        heartbeat("1"),
        change("2", "a"),
        // A type and an event that only newer servers know.
        frame(9, 0, b"later"),
        frame(DATA, 0, &field(15, b"x")),
        heartbeat("3"),
        last,
        change("5", "after the end"),
    ];
    let served = script(&daemon, vec![stream.concat()]);
    let mut changes = impatient(&daemon).watch_feedbacks_of_all_sessions(&everything());
    assert_eq!(comments(&mut changes), ["a", "b"]);
    assert_eq!(changes.position(), "4");
    served.join().unwrap();
}

#[test]
fn a_watch_resumes_after_the_last_heartbeat() {
    let daemon = Daemon::new();
    let mut cut = change("4", "c");
    cut.pop();
    let served = script(
        &daemon,
        vec![
            [change("1", "a"), heartbeat("2")].concat(),
            // Cut within a frame, after nothing, and by a server that stops.
            [change("3", "b"), cut].concat(),
            vec![],
            [change("4", "c"), refusal(Code::UNAVAILABLE)].concat(),
            [heartbeat("5"), end()].concat(),
        ],
    );
    let mut request = following();
    request.from_now = true;
    request.mut_filter().session_id = "s".into();
    let mut changes = impatient(&daemon).watch_feedbacks(&request);
    assert_eq!(comments(&mut changes), ["a", "b", "c"]);
    assert_eq!(changes.position(), "5");
    let requests = served.join().unwrap();
    let after = ["", "2", "3", "3", "4"].map(|position| {
        let mut expected = request.clone();
        expected.start_position = position.into();
        expected.from_now = position.is_empty();
        expected
    });
    assert_eq!(requests, after);
}

#[test]
fn streams_that_no_server_sends_are_errors() {
    let oversized = ((4 << 20) + 1u32).to_be_bytes().to_vec();
    for (answer, expected) in [
        (refusal(Code::OUT_OF_RANGE), Code::OUT_OF_RANGE),
        (
            [oversized, vec![0, 0, 0, 1, DATA, 0]].concat(),
            Code::RESOURCE_EXHAUSTED,
        ),
        (frame(DATA, 0, b"\xff"), Code::INTERNAL),
        (frame(RESPONSE, 0, b"\xff"), Code::INTERNAL),
        (vec![], Code::UNAVAILABLE),
    ] {
        let daemon = Daemon::new();
        let served = script(&daemon, vec![answer]);
        let mut changes = impatient(&daemon).watch_feedbacks_of_all_sessions(&following());
        assert_eq!(code(changes.next().unwrap()), expected);
        assert!(changes.next().is_none());
        served.join().unwrap();
    }
    let nobody = impatient(&Daemon::new());
    let mut changes = nobody.watch_feedbacks_of_all_sessions(&following());
    assert_eq!(code(changes.next().unwrap()), Code::UNAVAILABLE);
    assert!(changes.next().is_none());
}

#[test]
fn a_session_is_watched_or_all_by_name() {
    let client = Daemon::new().client();
    let mut one = everything();
    one.mut_filter().session_id = "s".into();
    for mut changes in [
        client.watch_feedbacks(&everything()),
        client.watch_feedbacks_of_all_sessions(&one),
    ] {
        let error = changes.next().unwrap().unwrap_err();
        assert_eq!(error.violations[0].field, "session_id");
        assert!(changes.next().is_none());
    }
}

fn add(client: &Client, session_id: &str, comment: &str) {
    let mut request = session(session_id);
    request.comment = comment.into();
    client.add_feedback(&request).unwrap();
}

#[test]
fn changes_come_in_order_and_end_where_they_are_not_followed() {
    let daemon = Daemon::started();
    let client = daemon.client();
    for number in 0..700 {
        add(&client, ["s", "t"][number % 2], &number.to_string());
    }
    let all = ListFeedbacksRequest::new();
    let stored: Result<Vec<Feedback>, Error> =
        client.list_feedbacks_of_all_sessions(&all).collect();
    let changes: Result<Vec<Change>, Error> = client
        .watch_feedbacks_of_all_sessions(&everything())
        .collect();
    let (stored, changes) = (stored.unwrap(), changes.unwrap());
    for change in &changes {
        assert_eq!(change.kind, Change_Kind::KIND_ADDED);
    }
    let seen: Vec<&Feedback> = changes.iter().map(Change::get_feedback).collect();
    assert_eq!(seen, stored.iter().collect::<Vec<_>>());

    let mut after = everything();
    after.start_position = changes[696].position.clone();
    after.mut_filter().session_id = "t".into();
    assert_eq!(
        comments(&mut client.watch_feedbacks(&after)),
        ["697", "699"]
    );
    // No watch has a connection any more.
    eventually(|| daemon.connections() == 1);

    after.start_position = "no position".into();
    let mut refused = client.watch_feedbacks(&after);
    assert_eq!(code(refused.next().unwrap()), Code::INVALID_ARGUMENT);
}

#[test]
fn a_watch_goes_on_after_the_daemon_was_killed() {
    let mut daemon = Daemon::started();
    let mut client = daemon.client();
    client.attempts_max = 1000;
    client.backoff_max = Duration::from_millis(50);
    let mut changes = client.watch_feedbacks_of_all_sessions(&following());
    let mut seen = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..300 {
                add(&client, "s", &number.to_string());
            }
        });
        for count in [50, 150, 250, 300] {
            while seen.len() < count {
                seen.push(changes.next().unwrap().unwrap().take_feedback().comment);
            }
            if count < 300 {
                daemon.kill();
                daemon.start();
            }
        }
    });
    let expected: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn dropping_the_iterator_ends_the_watch() {
    let daemon = Daemon::started();
    let client = daemon.client();
    add(&client, "s", "a");
    let mut changes = client.watch_feedbacks_of_all_sessions(&following());
    assert!(changes.next().unwrap().is_ok());
    assert_eq!(daemon.connections(), 2);
    drop(changes);
    eventually(|| daemon.connections() == 1);
}

#[test]
fn a_slow_consumer_makes_the_daemon_wait() {
    let daemon = Daemon::started();
    let client = daemon.client();
    let text = "x".repeat(9_000);
    for number in 0..1000 {
        add(&client, "s", &format!("{number} {text}"));
    }
    let mut changes = client.watch_feedbacks_of_all_sessions(&everything());
    let first = changes.next().unwrap().unwrap();
    assert!(first.get_feedback().comment.starts_with("0 "));
    // Others are served meanwhile.
    add(&client, "t", "1000 meanwhile");
    let rest = comments(&mut changes);
    for (index, comment) in rest.iter().enumerate() {
        assert!(comment.starts_with(&format!("{} ", index + 1)));
    }
    assert_eq!(rest.len(), 1000);
}
