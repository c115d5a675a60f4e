use std::fmt;

use protobuf::Message;
use ttrpc::{Code, Status};

use crate::generated::error_details::BadRequest;
pub use crate::generated::error_details::BadRequest_FieldViolation as FieldViolation;

const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// What every call fails with.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub code: Code,
    /// For people. It says which field or limit is at fault and what would be accepted.
    pub message: String,
    /// The fields at fault, with `INVALID_ARGUMENT`.
    pub violations: Vec<FieldViolation>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            violations: Vec::new(),
        }
    }

    /// `INVALID_ARGUMENT` that names the field at fault, as the server would.
    pub(crate) fn invalid(field: &str, description: &str) -> Error {
        let mut error = Error::new(Code::INVALID_ARGUMENT, format!("{field}: {description}"));
        error.violations.push(FieldViolation {
            field: field.into(),
            description: description.into(),
            ..Default::default()
        });
        error
    }

    /// What a server answered.
    pub(crate) fn answered(status: &Status) -> Error {
        let mut error = Error::new(status.code, status.message.clone());
        for detail in status
            .details
            .iter()
            .filter(|detail| detail.type_url == BAD_REQUEST)
        {
            if let Ok(request) = BadRequest::parse_from_bytes(&detail.value) {
                error.violations.extend(request.field_violations);
            }
        }
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
