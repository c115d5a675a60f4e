use std::{
    fs::File,
    io::Read,
    os::unix::{io::IntoRawFd, net::UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use protobuf::{well_known_types::Struct, Message, RepeatedField};
use ttrpc::Code;

use crate::generated::health::{
    HealthCheckRequest, HealthCheckResponse, HealthCheckResponse_ServingStatus,
};
use crate::generated::session::{
    DeleteMetadataRequest, DeleteMetadataResponse, GetMetadataRequest, GetMetadataResponse,
    UpdateMetadataRequest, UpdateMetadataResponse,
};
use crate::{
    AddFeedbackRequest, AddFeedbackResponse, Changes, Error, Feedbacks, GetMetricsRequest,
    GetMetricsResponse, ListFeedbacksRequest, ListFeedbacksResponse, WatchFeedbacksRequest,
};

pub(crate) const FEEDBACK: &str = "feedback.v1.FeedbackService";
const SESSION: &str = "feedback.v1.SessionService";
const HEALTH: &str = "grpc.health.v1.Health";

/// The largest frame of ttrpc, without its header.
pub(crate) const FRAME_BYTES_MAX: u32 = 4 << 20;

/// Calls the daemon at one socket.
///
/// Clones and threads share one connection, with many calls in flight; it is made when it is first
/// needed and again after it was lost. While the server is `UNAVAILABLE` a call is repeated as long
/// as attempts and time are left. Adding is repeated with the same request_id: nothing is stored
/// twice.
#[derive(Clone)]
pub struct Client {
    /// How long a call may take with all its attempts: 10 s.
    pub timeout: Duration,
    /// How often a call is tried at most: 5 times.
    pub attempts_max: u32,
    /// The first pause between attempts, each further one is twice as long: 50 ms. Every pause is
    /// cut by a random share of up to a half.
    pub backoff: Duration,
    /// The longest pause: 1 s.
    pub backoff_max: Duration,
    socket: PathBuf,
    connection: Arc<Mutex<Connection>>,
}

#[derive(Default)]
struct Connection {
    client: Option<ttrpc::Client>,
    /// Tells connections apart: a call must not close one that was made after its own.
    number: u64,
}

impl Client {
    /// Makes a client of the daemon at that socket. Nothing is connected yet.
    pub fn new(socket: impl AsRef<Path>) -> Client {
        Client {
            timeout: Duration::from_secs(10),
            attempts_max: 5,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            socket: socket.as_ref().into(),
            connection: Arc::default(),
        }
    }

    /// Stores a feedback. It is durable when this returns.
    ///
    /// A request without a request_id is sent with a new one, so that attempts after the first do
    /// not store it again.
    pub fn add_feedback(&self, request: &AddFeedbackRequest) -> Result<AddFeedbackResponse, Error> {
        let reply: AddFeedbackResponse = if request.request_id.is_empty() {
            let mut request = request.clone();
            request.request_id = new_request_id()?;
            self.call(FEEDBACK, "AddFeedback", &request)?
        } else {
            self.call(FEEDBACK, "AddFeedback", request)?
        };
        if !reply.has_feedback() {
            return Err(Error::new(
                Code::INTERNAL,
                "the server's reply has no feedback",
            ));
        }
        Ok(reply)
    }

    /// All feedback of a session that matches, page by page as it is consumed. An empty session_id is
    /// refused, as by `list_page`.
    pub fn list_feedbacks(&self, request: &ListFeedbacksRequest) -> Feedbacks {
        Feedbacks::new(self.clone(), request.clone(), Client::list_page)
    }

    /// All feedback of everybody that matches; the request has no session_id.
    pub fn list_feedbacks_of_all_sessions(&self, request: &ListFeedbacksRequest) -> Feedbacks {
        Feedbacks::new(
            self.clone(),
            request.clone(),
            Client::list_page_of_all_sessions,
        )
    }

    /// One page of a session's feedback; the next one is that of the request with its
    /// next_page_token. `INVALID_ARGUMENT` for an empty session_id, which to the server means all
    /// sessions: see `list_page_of_all_sessions`.
    pub fn list_page(
        &self,
        request: &ListFeedbacksRequest,
    ) -> Result<ListFeedbacksResponse, Error> {
        one_session(&request.session_id)?;
        self.call(FEEDBACK, "ListFeedbacks", request)
    }

    /// One page of everybody's feedback; the request has no session_id.
    pub fn list_page_of_all_sessions(
        &self,
        request: &ListFeedbacksRequest,
    ) -> Result<ListFeedbacksResponse, Error> {
        all_sessions(&request.session_id)?;
        self.call(FEEDBACK, "ListFeedbacks", request)
    }

    /// Follows a session's feedback. Nothing is sent before the first change is asked for. An empty
    /// session_id of the filter is refused, as by `list_page`.
    pub fn watch_feedbacks(&self, request: &WatchFeedbacksRequest) -> Changes {
        let checked = one_session(&request.get_filter().session_id);
        Changes::new(self.clone(), request.clone(), checked)
    }

    /// Follows everybody's feedback; the filter has no session_id.
    pub fn watch_feedbacks_of_all_sessions(&self, request: &WatchFeedbacksRequest) -> Changes {
        let checked = all_sessions(&request.get_filter().session_id);
        Changes::new(self.clone(), request.clone(), checked)
    }

    /// A session's exact counts and rates. `INVALID_ARGUMENT` for an empty session_id, which to the
    /// server means all sessions: see `get_metrics_of_all_sessions`.
    pub fn get_metrics(&self, request: &GetMetricsRequest) -> Result<GetMetricsResponse, Error> {
        one_session(&request.session_id)?;
        self.metrics(request)
    }

    /// Everybody's exact counts and rates; the request has no session_id.
    pub fn get_metrics_of_all_sessions(
        &self,
        request: &GetMetricsRequest,
    ) -> Result<GetMetricsResponse, Error> {
        all_sessions(&request.session_id)?;
        self.metrics(request)
    }

    fn metrics(&self, request: &GetMetricsRequest) -> Result<GetMetricsResponse, Error> {
        let reply: GetMetricsResponse = self.call(FEEDBACK, "GetMetrics", request)?;
        if !reply.has_metrics() {
            return Err(Error::new(
                Code::INTERNAL,
                "the server's reply has no metrics",
            ));
        }
        Ok(reply)
    }

    /// Merges top-level keys into a session's metadata and returns it as it is then.
    pub fn update_metadata(&self, session_id: &str, metadata: &Struct) -> Result<Struct, Error> {
        let mut request = UpdateMetadataRequest::new();
        request.session_id = session_id.into();
        request.set_metadata(metadata.clone());
        let mut reply: UpdateMetadataResponse = self.call(SESSION, "UpdateMetadata", &request)?;
        Ok(reply.take_metadata())
    }

    /// A session's metadata; `NOT_FOUND` if the session is unknown.
    pub fn get_metadata(&self, session_id: &str) -> Result<Struct, Error> {
        let mut request = GetMetadataRequest::new();
        request.session_id = session_id.into();
        let mut reply: GetMetadataResponse = self.call(SESSION, "GetMetadata", &request)?;
        Ok(reply.take_metadata())
    }

    /// Removes top-level keys from a session's metadata and returns it as it is then; `NOT_FOUND`
    /// if the session is unknown.
    pub fn delete_metadata(&self, session_id: &str, keys: &[&str]) -> Result<Struct, Error> {
        let mut request = DeleteMetadataRequest::new();
        request.session_id = session_id.into();
        request.keys = RepeatedField::from_vec(keys.iter().map(|key| key.to_string()).collect());
        let mut reply: DeleteMetadataResponse = self.call(SESSION, "DeleteMetadata", &request)?;
        Ok(reply.take_metadata())
    }

    /// Whether the server says that calls are served now. It is asked once.
    pub fn is_serving(&self) -> Result<bool, Error> {
        let deadline = Instant::now() + self.timeout;
        let payload = encode(&HealthCheckRequest::new())?;
        let reply: HealthCheckResponse = self.attempt(HEALTH, "Check", &payload, deadline)?;
        Ok(reply.status == HealthCheckResponse_ServingStatus::SERVING)
    }

    /// Makes attempts until one succeeds or it makes no sense to go on.
    fn call<Reply: Message>(
        &self,
        service: &str,
        method: &str,
        request: &impl Message,
    ) -> Result<Reply, Error> {
        let deadline = Instant::now() + self.timeout;
        let payload = encode(request)?;
        let mut pause = self.backoff;
        let mut attempts = 1;
        loop {
            let error = match self.attempt(service, method, &payload, deadline) {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            pause = pause.min(self.backoff_max);
            let cut = self.shortened(pause)?;
            if error.code != Code::UNAVAILABLE
                || attempts >= self.attempts_max
                || Instant::now() + cut >= deadline
            {
                return Err(error);
            }
            thread::sleep(cut);
            attempts += 1;
            pause *= 2;
        }
    }

    /// Cuts a pause, so that clients that failed together do not come back together.
    pub(crate) fn shortened(&self, pause: Duration) -> Result<Duration, Error> {
        Ok(pause - pause / 2 * u32::from(random()?[0]) / 256)
    }

    fn attempt<Reply: Message>(
        &self,
        service: &str,
        method: &str,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<Reply, Error> {
        // The library takes 0 for no limit.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(deadline_exceeded());
        }
        let mut request = ttrpc::Request::new();
        request.service = service.into();
        request.method = method.into();
        request.payload = payload.into();
        request.timeout_nano = i64::try_from(left.as_nanos()).unwrap_or(i64::MAX);
        let size = request.compute_size();
        if size > FRAME_BYTES_MAX {
            return Err(too_large("the request", size));
        }
        let (client, number) = self.connect()?;
        match client.request(request) {
            Ok(response) => Reply::parse_from_bytes(&response.payload).map_err(|_| undecodable()),
            Err(ttrpc::Error::RpcStatus(status)) => Err(Error::answered(&status)),
            // The library has no error of its own for this.
            Err(ttrpc::Error::Others(_)) if Instant::now() >= deadline => Err(deadline_exceeded()),
            Err(ttrpc::Error::Others(text)) if text.starts_with("Unpack response error") => {
                Err(undecodable())
            }
            Err(error) => {
                self.disconnect(number);
                Err(Error::new(
                    Code::UNAVAILABLE,
                    format!("the connection was lost: {error}"),
                ))
            }
        }
    }

    /// The connection, made if there is none.
    fn connect(&self) -> Result<(ttrpc::Client, u64), Error> {
        let mut connection = self.connection.lock().unwrap();
        if connection.client.is_none() {
            // The library's own way to connect is for abstract sockets.
            connection.client = Some(ttrpc::Client::new(self.dial()?.into_raw_fd()));
            connection.number += 1;
        }
        Ok((connection.client.clone().unwrap(), connection.number))
    }

    /// A new connection. Connecting to a Unix socket waits only while the daemon has too many that
    /// it has not accepted.
    pub(crate) fn dial(&self) -> Result<UnixStream, Error> {
        UnixStream::connect(&self.socket).map_err(|error| {
            let text = format!("cannot connect to {}: {error}", self.socket.display());
            match error.kind() {
                std::io::ErrorKind::InvalidInput => Error::new(Code::INVALID_ARGUMENT, text),
                _ => Error::new(Code::UNAVAILABLE, text),
            }
        })
    }

    fn disconnect(&self, number: u64) {
        let mut connection = self.connection.lock().unwrap();
        if connection.number == number {
            connection.client = None;
        }
    }
}

/// Refuses an empty session_id, so that a variable that happens to be empty never shows one person the
/// feedback of all others.
fn one_session(session_id: &str) -> Result<(), Error> {
    if session_id.is_empty() {
        return Err(Error::invalid(
            "session_id",
            "must be 1 to 255 bytes, is empty",
        ));
    }
    Ok(())
}

/// Refuses a session_id, which would be left unheard.
fn all_sessions(session_id: &str) -> Result<(), Error> {
    if !session_id.is_empty() {
        return Err(Error::invalid(
            "session_id",
            "must be empty where all sessions are meant",
        ));
    }
    Ok(())
}

pub(crate) fn encode(message: &impl Message) -> Result<Vec<u8>, Error> {
    message.write_to_bytes().map_err(|error| {
        Error::new(
            Code::INTERNAL,
            format!("cannot encode the request: {error}"),
        )
    })
}

pub(crate) fn too_large(what: &str, size: u32) -> Error {
    let text = format!("{what} has {size} bytes, at most {FRAME_BYTES_MAX} are possible");
    Error::new(Code::RESOURCE_EXHAUSTED, text)
}

pub(crate) fn undecodable() -> Error {
    Error::new(Code::INTERNAL, "the server's reply cannot be decoded")
}

fn deadline_exceeded() -> Error {
    Error::new(Code::DEADLINE_EXCEEDED, "the deadline passed")
}

/// A UUID of version 7 (RFC 9562): the time in milliseconds, then random bits. Ids that ascend with
/// time lie together in the index of a store.
fn new_request_id() -> Result<String, Error> {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut id = random()?;
    id[..6].copy_from_slice(&(since_epoch.as_millis() as u64).to_be_bytes()[2..]);
    id[6] = id[6] & 0x0f | 0x70;
    id[8] = id[8] & 0x3f | 0x80;
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &digits[group]);
    Ok(groups.join("-"))
}

fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Error::new(Code::INTERNAL, format!("no random numbers: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_that_begin_with_the_time() {
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_millis()
        };
        let before = now();
        let mut made: Vec<String> = (0..1000).map(|_| new_request_id().unwrap()).collect();
        let after = now();
        for id in &made {
            let groups: Vec<&str> = id.split('-').collect();
            let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            let digits = u128::from_str_radix(&groups.concat(), 16).unwrap();
            assert!((before..=after).contains(&(digits >> 80)));
            assert_eq!(digits >> 76 & 0xf, 7);
            assert_eq!(digits >> 62 & 0b11, 0b10);
        }
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 1000);
    }
}
