//! Calls the daemon feedbackd through its Unix socket, by ttrpc.
//!
//! ```no_run
//! use feedbackd::{AddFeedbackRequest, Client, Rating};
//!
//! let client = Client::new("/run/feedbackd/feedbackd.sock");
//! let added = client.add_feedback(&AddFeedbackRequest {
//!     session_id: "user-123".into(),
//!     rating: Rating::RATING_UP,
//!     comment: "Very helpful response!".into(),
//!     ..Default::default()
//! })?;
//! println!("stored {}", added.get_feedback().feedback_id);
//! # Ok::<(), feedbackd::Error>(())
//! ```
//!
//! The messages are generated from the .proto files, where every field's rule stands.

mod client;
mod error;
mod list;
mod watch;

#[allow(warnings)] // The generator is older than the compiler.
mod generated {
    include!(concat!(env!("OUT_DIR"), "/mod.rs"));
}

pub use client::Client;
pub use error::{Error, FieldViolation};
pub use generated::feedback::{
    AddFeedbackRequest, AddFeedbackResponse, Author, AuthorSource, Change, Change_Kind, Feedback,
    FeedbackFilter, FeedbackFilter_oneof_comment_filter, GetMetricsRequest, GetMetricsResponse,
    GroupBy, ListFeedbacksRequest, ListFeedbacksRequest_oneof_comment_filter,
    ListFeedbacksResponse, Metrics, MetricsGroup, Rating, WatchFeedbacksRequest,
};
pub use list::Feedbacks;
pub use protobuf;
/// gRPC's status codes.
pub use ttrpc::Code;
pub use watch::Changes;
