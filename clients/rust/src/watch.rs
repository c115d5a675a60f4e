use std::{
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use protobuf::Message;
use ttrpc::{Code, Request, Response};

use crate::client::{encode, too_large, undecodable, FEEDBACK, FRAME_BYTES_MAX};
use crate::generated::feedback::{
    WatchFeedbacksResponse, WatchFeedbacksResponse_oneof_event as Event,
};
use crate::{Change, Client, Error, WatchFeedbacksRequest};

// Types and flags of ttrpc's frames; the library knows those of unary calls only.
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const DATA: u8 = 3;
const REMOTE_CLOSED: u8 = 1;
const NO_DATA: u8 = 4;

/// How much of a stream is read at once, unless a frame is larger.
const BUFFER_BYTES: usize = 64 << 10;

/// The changes of all feedback that matches a request.
///
/// They come over a connection of their own, which is read no faster than `next` is called: the
/// daemon waits for whoever is slow. When the connection is lost or the daemon is `UNAVAILABLE`,
/// `next` goes on after the last change as soon as the daemon is there again; only before the first
/// answer it gives up after `attempts_max` attempts. After another error there is nothing more.
///
/// `next` waits as long as there is no change. Dropping the iterator ends the call and its
/// connection.
pub struct Changes {
    client: Client,
    request: WatchFeedbacksRequest,
    /// The error of a request that is not sent.
    refused: Option<Error>,
    stream: Option<BufReader<UnixStream>>,
    has_begun: bool,
    attempts: u32,
    pause: Duration,
    is_done: bool,
}

impl Changes {
    pub(crate) fn new(
        client: Client,
        request: WatchFeedbacksRequest,
        checked: Result<(), Error>,
    ) -> Changes {
        Changes {
            pause: client.backoff,
            client,
            request,
            refused: checked.err(),
            stream: None,
            has_begun: false,
            attempts: 0,
            is_done: false,
        }
    }

    /// The position up to which the changes have been taken: a watch with it as `start_position`
    /// goes on from there. It is the last change's, or a later one if the daemon has come further
    /// without a change that matches.
    pub fn position(&self) -> &str {
        &self.request.start_position
    }

    /// Takes the next frame, over a new connection if there is none. `None` is a frame without a
    /// change.
    fn receive(&mut self) -> Result<Option<Change>, Error> {
        if self.stream.is_none() {
            let stream = self.connect()?;
            self.stream = Some(BufReader::with_capacity(BUFFER_BYTES, stream));
        }
        let stream = self.stream.as_mut().unwrap();
        let mut header = [0; 10];
        stream.read_exact(&mut header).map_err(lost)?;
        let size = u32::from_be_bytes(header[..4].try_into().unwrap());
        if size > FRAME_BYTES_MAX {
            return Err(too_large("a reply", size));
        }
        let mut data = vec![0; size as usize];
        stream.read_exact(&mut data).map_err(lost)?;
        match (header[8], header[9]) {
            (RESPONSE, _) => {
                self.is_done = true;
                outcome(&data).map(|()| None)
            }
            (DATA, flags) => {
                self.is_done = flags & REMOTE_CLOSED != 0;
                if flags & NO_DATA != 0 {
                    return Ok(None);
                }
                self.take(&data)
            }
            _ => Ok(None),
        }
    }

    /// Goes on to the event of a message. One that only a newer daemon knows is passed over.
    fn take(&mut self, data: &[u8]) -> Result<Option<Change>, Error> {
        let message = WatchFeedbacksResponse::parse_from_bytes(data).map_err(|_| undecodable())?;
        self.has_begun = true;
        self.pause = self.client.backoff;
        let (position, change) = match message.event {
            Some(Event::change(change)) => (change.position.clone(), Some(change)),
            Some(Event::heartbeat_position(position)) => (position, None),
            None => return Ok(None),
        };
        self.request.start_position = position;
        // A stream that has a position begins after it.
        self.request.from_now = false;
        Ok(change)
    }

    fn connect(&self) -> Result<UnixStream, Error> {
        let mut request = Request::new();
        request.service = FEEDBACK.into();
        request.method = "WatchFeedbacks".into();
        request.payload = encode(&self.request)?;
        let data = encode(&request)?;
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if size > FRAME_BYTES_MAX {
            return Err(too_large("the request", size));
        }
        let mut frame = size.to_be_bytes().to_vec();
        frame.extend([0, 0, 0, 1, REQUEST, REMOTE_CLOSED]);
        frame.extend(data);
        let mut stream = self.client.dial()?;
        stream.write_all(&frame).map_err(lost)?;
        Ok(stream)
    }

    /// Waits until the next attempt, or returns the error that ends the watch.
    fn retry(&mut self, error: Error) -> Result<(), Error> {
        self.stream = None;
        self.attempts += 1;
        if error.code != Code::UNAVAILABLE
            || !self.has_begun && self.attempts >= self.client.attempts_max
        {
            self.is_done = true;
            return Err(error);
        }
        self.is_done = false;
        self.pause = self.pause.min(self.client.backoff_max);
        thread::sleep(self.client.shortened(self.pause)?);
        self.pause *= 2;
        Ok(())
    }
}

impl Iterator for Changes {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            self.is_done = true;
            return Some(Err(error));
        }
        while !self.is_done {
            match self.receive() {
                Ok(Some(change)) => return Some(Ok(change)),
                Ok(None) => continue,
                Err(error) => {
                    if let Err(error) = self.retry(error) {
                        return Some(Err(error));
                    }
                }
            }
        }
        self.stream = None;
        None
    }
}

/// The outcome of a call in the data of a response.
fn outcome(data: &[u8]) -> Result<(), Error> {
    let response = Response::parse_from_bytes(data).map_err(|_| undecodable())?;
    match response.status.as_ref() {
        Some(status) if status.code != Code::OK => Err(Error::answered(status)),
        _ => Ok(()),
    }
}

fn lost(error: io::Error) -> Error {
    Error::new(
        Code::UNAVAILABLE,
        format!("the connection was lost: {error}"),
    )
}
