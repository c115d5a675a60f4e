//! Shows what calls fail with, and how a program tells the reasons apart.
//!
//!     errors SOCKET

use std::time::Duration;

use feedbackd::{AddFeedbackRequest, Client, Code, GetMetricsRequest};

fn main() {
    let socket = std::env::args().nth(1).expect("usage: errors SOCKET");
    let client = Client::new(&socket);

    // A field that breaks its rule: nothing is stored, and the error names the field.
    let too_long = AddFeedbackRequest {
        session_id: "user-123".into(),
        comment: "x".repeat(10_001),
        ..Default::default()
    };
    if let Err(error) = client.add_feedback(&too_long) {
        for violation in error.violations {
            println!(
                "{:?}, {} {}",
                error.code, violation.field, violation.description
            );
        }
    }

    // A session that nobody has written to.
    match client.get_metadata("nobody") {
        Err(error) if error.code == Code::NOT_FOUND => println!("no such session"),
        other => println!("{other:?}"),
    }

    // A clone with another timeout uses the same connection.
    let mut hasty = client.clone();
    hasty.timeout = Duration::from_nanos(1);
    match hasty.get_metrics_of_all_sessions(&GetMetricsRequest::new()) {
        Err(error) if error.code == Code::DEADLINE_EXCEEDED => println!("too late"),
        other => println!("{other:?}"),
    }

    // No daemon: the call was tried five times within a second or two.
    let away = Client::new(socket + ".away");
    let add = AddFeedbackRequest {
        session_id: "user-123".into(),
        ..Default::default()
    };
    match away.add_feedback(&add) {
        Err(error) if error.code == Code::UNAVAILABLE => {
            println!("the daemon is away: keep the feedback and its request_id, and try later")
        }
        other => println!("{other:?}"),
    }
}
