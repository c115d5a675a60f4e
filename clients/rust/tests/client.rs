//! The client against real daemons.

mod support;

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        atomic::{AtomicI32, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

use feedbackd::protobuf::{
    well_known_types::{ListValue, Struct, Value},
    RepeatedField,
};
use feedbackd::*;
use support::*;

fn stored(client: &Client) -> i64 {
    client
        .list_page_of_all_sessions(&ListFeedbacksRequest::new())
        .unwrap()
        .total_size
}

#[test]
fn every_field_of_feedback_comes_back() {
    let daemon = Daemon::started();
    let client = daemon.client();
    let mut request = AddFeedbackRequest {
        session_id: "user-123".into(),
        rating: Rating::RATING_DOWN,
        comment: "Zu lang. „Kürzer“, bitte 👩‍👩‍👧".into(),
        request_id: "request-1".into(),
        message_id: "message-1".into(),
        agent_id: "agent-1".into(),
        tags: RepeatedField::from_vec(vec!["too-long".into(), "tone".into()]),
        ..Default::default()
    };
    request.mut_author().source = AuthorSource::AUTHOR_SOURCE_MODEL;
    request.mut_author().id = "judge-1".into();
    request.attributes.insert("größe".into(), "🎉".into());
    let added = client.add_feedback(&request).unwrap();
    let feedback = added.get_feedback();
    let want = Feedback {
        feedback_id: feedback.feedback_id.clone(),
        session_id: request.session_id.clone(),
        rating: request.rating,
        comment: request.comment.clone(),
        created_at: feedback.created_at.clone(),
        updated_at: feedback.created_at.clone(),
        message_id: request.message_id.clone(),
        agent_id: request.agent_id.clone(),
        author: request.author.clone(),
        tags: request.tags.clone(),
        attributes: request.attributes.clone(),
        ..Default::default()
    };
    assert_eq!(feedback.feedback_id.len(), 36);
    assert!(feedback.get_created_at().seconds > 1_700_000_000);
    assert_eq!(*feedback, want);
    assert!(!added.replayed);

    let again = client.add_feedback(&request).unwrap();
    assert!(again.replayed);
    assert_eq!(*again.get_feedback(), want);
}

#[test]
fn listing_goes_through_all_pages() {
    let daemon = Daemon::started();
    let client = daemon.client();
    let comments: Vec<String> = (0..25).map(|index| format!("comment {index}")).collect();
    for comment in &comments {
        let mut request = session("s");
        request.comment = comment.clone();
        client.add_feedback(&request).unwrap();
    }
    for page_size in [1, 10, 25, 100] {
        let request = ListFeedbacksRequest {
            page_size,
            ..Default::default()
        };
        let listed: Result<Vec<Feedback>, Error> =
            client.list_feedbacks_of_all_sessions(&request).collect();
        let listed: Vec<String> = listed.unwrap().into_iter().map(|one| one.comment).collect();
        assert_eq!(listed, comments);
    }
    assert_eq!(stored(&client), 25);
    let mut bad = client.list_feedbacks_of_all_sessions(&ListFeedbacksRequest {
        page_size: -1,
        ..Default::default()
    });
    assert_eq!(
        bad.next().unwrap().unwrap_err().violations[0].field,
        "page_size"
    );
    assert!(bad.next().is_none());
}

#[test]
fn metrics_are_split_by_session() {
    let daemon = Daemon::started();
    let client = daemon.client();
    for (name, rating) in [("a", Rating::RATING_UP), ("b", Rating::RATING_DOWN)] {
        let mut request = session(name);
        request.rating = rating;
        request.comment = "1234".into();
        client.add_feedback(&request).unwrap();
    }
    let request = GetMetricsRequest {
        group_by: GroupBy::GROUP_BY_SESSION,
        ..Default::default()
    };
    let report = client.get_metrics_of_all_sessions(&request).unwrap();
    let all = report.get_metrics();
    assert_eq!(
        (all.total, all.positive, all.negative, all.neutral),
        (2, 1, 1, 0)
    );
    assert_eq!(
        (all.average_comment_length, all.satisfaction_rate),
        (4.0, 50.0)
    );
    let groups: Vec<(&str, i64, f64)> = report
        .groups
        .iter()
        .map(|group| {
            (
                group.key.as_str(),
                group.get_metrics().total,
                group.get_metrics().approval_rate,
            )
        })
        .collect();
    assert_eq!(groups, [("a", 1, 100.0), ("b", 1, 0.0)]);
}

#[test]
fn an_empty_session_id_is_nobodys() {
    let daemon = Daemon::started();
    let client = daemon.client();
    client.add_feedback(&session("somebody")).unwrap();
    let list = ListFeedbacksRequest::new();
    let failures = [
        client.list_feedbacks(&list).next().unwrap().map(|_| ()),
        client.list_page(&list).map(|_| ()),
        client.get_metrics(&GetMetricsRequest::new()).map(|_| ()),
        client.add_feedback(&session("")).map(|_| ()),
        client.update_metadata("", &Struct::new()).map(|_| ()),
        client.get_metadata("").map(|_| ()),
        client.delete_metadata("", &["key"]).map(|_| ()),
    ];
    for failure in failures {
        let error = failure.unwrap_err();
        assert_eq!(error.code, Code::INVALID_ARGUMENT);
        assert_eq!(error.violations.len(), 1);
        assert_eq!(error.violations[0].field, "session_id");
    }
}

#[test]
fn all_sessions_are_asked_for_by_name() {
    let daemon = Daemon::started();
    let client = daemon.client();
    for name in ["a", "b"] {
        client.add_feedback(&session(name)).unwrap();
    }
    let all = ListFeedbacksRequest::new();
    assert_eq!(client.list_feedbacks_of_all_sessions(&all).count(), 2);

    let one = ListFeedbacksRequest {
        session_id: "a".into(),
        ..Default::default()
    };
    let measure = GetMetricsRequest {
        session_id: "a".into(),
        ..Default::default()
    };
    let failures = [
        client
            .list_feedbacks_of_all_sessions(&one)
            .next()
            .unwrap()
            .map(|_| ()),
        client.list_page_of_all_sessions(&one).map(|_| ()),
        client.get_metrics_of_all_sessions(&measure).map(|_| ()),
    ];
    for failure in failures {
        assert_eq!(code(failure), Code::INVALID_ARGUMENT);
    }
    assert_eq!(client.list_feedbacks(&one).count(), 1);
}

#[test]
fn metadata_is_merged_and_deleted() {
    let daemon = Daemon::started();
    let client = daemon.client();
    assert_eq!(code(client.get_metadata("s")), Code::NOT_FOUND);
    assert_eq!(code(client.delete_metadata("s", &["k"])), Code::NOT_FOUND);

    let mut metadata = Struct::new();
    let mut text = Value::new();
    text.set_string_value("größe 🎉".into());
    let mut list = Value::new();
    list.set_list_value(ListValue {
        values: vec![text.clone()].into(),
        ..Default::default()
    });
    metadata.fields.insert("text".into(), text);
    metadata.fields.insert("list".into(), list);
    assert_eq!(client.update_metadata("s", &metadata).unwrap(), metadata);
    assert_eq!(client.get_metadata("s").unwrap(), metadata);
    metadata.fields.remove("list");
    assert_eq!(
        client.delete_metadata("s", &["list", "none"]).unwrap(),
        metadata
    );
}

#[test]
fn errors_name_the_fields_at_fault() {
    let daemon = Daemon::started();
    let client = daemon.client();
    let mut request = session("s");
    request.comment = "x".repeat(10_001);
    request.agent_id = "a".repeat(256);
    let error = client.add_feedback(&request).unwrap_err();
    assert_eq!(error.code, Code::INVALID_ARGUMENT);
    let mut fields: Vec<&str> = error
        .violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["agent_id", "comment"]);
    assert_eq!(
        error.to_string(),
        format!("INVALID_ARGUMENT: {}", error.message)
    );

    request.comment = "x".repeat(4 << 20);
    assert_eq!(
        code(client.add_feedback(&request)),
        Code::RESOURCE_EXHAUSTED
    );
    client.add_feedback(&session("s")).unwrap();
    assert_eq!(stored(&client), 1);
}

#[test]
fn many_threads_share_a_client() {
    let daemon = Daemon::started();
    let client = daemon.client();
    thread::scope(|scope| {
        for number in 0..16 {
            let client = &client;
            scope.spawn(move || {
                let name = format!("session-{number}");
                for _ in 0..20 {
                    let added = client.add_feedback(&session(&name)).unwrap();
                    assert_eq!(added.get_feedback().session_id, name);
                }
            });
        }
    });
    assert_eq!(stored(&client), 320);
}

/// Passes on what comes, but cuts the connection instead of the first replies.
fn lose_replies(daemon: &Daemon, count: i32) -> PathBuf {
    let path = daemon.folder.join("relay");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = daemon.socket();
    let losses = Arc::new(AtomicI32::new(count));
    thread::spawn(move || {
        for caller in listener.incoming() {
            let mut caller = caller.unwrap();
            let mut server = UnixStream::connect(&socket).unwrap();
            let losses = losses.clone();
            let (mut requests, mut to_server) =
                (caller.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut requests, &mut to_server));
            thread::spawn(move || {
                let mut bytes = [0; 65536];
                while let Ok(count) = server.read(&mut bytes) {
                    if count == 0 || losses.fetch_sub(1, Ordering::SeqCst) > 0 {
                        break;
                    }
                    caller.write_all(&bytes[..count]).unwrap();
                }
                let _ = caller.shutdown(std::net::Shutdown::Both);
                let _ = server.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    path
}

#[test]
fn a_lost_reply_is_asked_for_again_and_nothing_is_stored_twice() {
    let daemon = Daemon::started();
    let client = Client::new(lose_replies(&daemon, 2));
    assert!(client.add_feedback(&session("s")).unwrap().replayed);
    assert_eq!(stored(&client), 1);
}

#[test]
fn the_daemon_may_start_later_and_again() {
    let mut daemon = Daemon::new();
    let mut client = daemon.client();
    client.attempts_max = 100;
    client.backoff_max = Duration::from_millis(50);
    thread::scope(|scope| {
        let add = scope.spawn(|| client.add_feedback(&session("s")));
        daemon.start();
        add.join().unwrap().unwrap();
    });
    daemon.stop();
    daemon.start();
    client.add_feedback(&session("s")).unwrap();
    assert_eq!(stored(&client), 2);
    assert!(client.is_serving().unwrap());
    daemon.stop();
    assert_eq!(code(client.is_serving()), Code::UNAVAILABLE);
}

#[test]
fn calls_end_at_their_deadline() {
    let daemon = Daemon::new();
    // Nobody answers here.
    let _listener = UnixListener::bind(daemon.socket()).unwrap();
    let mut client = daemon.client();
    client.timeout = Duration::from_millis(50);
    let begin = Instant::now();
    assert_eq!(
        code(client.get_metrics_of_all_sessions(&GetMetricsRequest::new())),
        Code::DEADLINE_EXCEEDED
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn paths_that_no_socket_can_have_are_refused() {
    let client = Client::new(format!("/tmp/{}", "x".repeat(200)));
    assert_eq!(code(client.is_serving()), Code::INVALID_ARGUMENT);
}
