//! Stores feedback on two answers, lists it, measures it, and keeps which variant of a prompt the
//! session saw.
//!
//!     basic SOCKET

use feedbackd::protobuf::{
    well_known_types::{Struct, Value},
    RepeatedField,
};
use feedbackd::{
    AddFeedbackRequest, Client, Error, GetMetricsRequest, ListFeedbacksRequest, Rating,
};

fn main() -> Result<(), Error> {
    let socket = std::env::args().nth(1).expect("usage: basic SOCKET");
    let client = Client::new(socket);
    client.add_feedback(&AddFeedbackRequest {
        session_id: "user-123".into(),
        rating: Rating::RATING_UP,
        comment: "Very helpful response!".into(),
        ..Default::default()
    })?;
    client.add_feedback(&AddFeedbackRequest {
        session_id: "user-123".into(),
        rating: Rating::RATING_DOWN,
        comment: "Too slow 🐌".into(),
        message_id: "message-2".into(),
        tags: RepeatedField::from_vec(vec!["latency".into()]),
        ..Default::default()
    })?;

    let list = ListFeedbacksRequest {
        session_id: "user-123".into(),
        ..Default::default()
    };
    for feedback in client.list_feedbacks(&list) {
        let feedback = feedback?;
        println!("{:?}: {}", feedback.rating, feedback.comment);
    }

    let measure = GetMetricsRequest {
        session_id: "user-123".into(),
        ..Default::default()
    };
    let report = client.get_metrics(&measure)?;
    let metrics = report.get_metrics();
    println!(
        "{} of {} are up, {} %",
        metrics.positive, metrics.total, metrics.satisfaction_rate
    );

    let mut variant = Value::new();
    variant.set_string_value("B".into());
    let mut metadata = Struct::new();
    metadata.fields.insert("variant".into(), variant);
    let metadata = client.update_metadata("user-123", &metadata)?;
    println!("variant {}", metadata.fields["variant"].get_string_value());
    Ok(())
}
