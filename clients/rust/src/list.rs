use std::vec;

use crate::{Client, Error, Feedback, ListFeedbacksRequest, ListFeedbacksResponse};

/// How a page is fetched.
type Fetch = fn(&Client, &ListFeedbacksRequest) -> Result<ListFeedbacksResponse, Error>;

/// All feedback that matches a request. Each page is a call of its own; after an error there is
/// nothing more.
pub struct Feedbacks {
    client: Client,
    request: ListFeedbacksRequest,
    fetch: Fetch,
    page: vec::IntoIter<Feedback>,
    is_last_page: bool,
}

impl Feedbacks {
    pub(crate) fn new(client: Client, request: ListFeedbacksRequest, fetch: Fetch) -> Feedbacks {
        Feedbacks {
            client,
            request,
            fetch,
            page: Vec::new().into_iter(),
            is_last_page: false,
        }
    }
}

impl Iterator for Feedbacks {
    type Item = Result<Feedback, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(feedback) = self.page.next() {
                return Some(Ok(feedback));
            }
            if self.is_last_page {
                return None;
            }
            match (self.fetch)(&self.client, &self.request) {
                Ok(reply) => {
                    self.is_last_page = reply.next_page_token.is_empty();
                    self.request.page_token = reply.next_page_token;
                    self.page = reply.feedbacks.into_iter();
                }
                Err(error) => {
                    self.is_last_page = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
