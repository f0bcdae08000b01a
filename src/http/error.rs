//! Everything that a request can be answered with but success: one table.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::Serialize;

use super::bodies::NoRoom;
use crate::board::{Refusal, Unanswered};
use crate::domain::{Full, InvalidField};
use crate::render::RenderError;

/// Why a request fails. Its text is what the client is told.
#[derive(Debug)]
pub(crate) enum ApiError {
    BadQuery(String),
    InvalidJson,
    MissingField(&'static str),
    InvalidSyncStatus,
    InvalidField(InvalidField),
    NoSuchPath,
    NoSuchEntry,
    MethodNotAllowed { allowed: String },
    BodyTooSlow,
    BodyTooLarge { limit: usize },
    TooManyBodies,
    UnsupportedType,
    UnsupportedEncoding,
    Refused(Refusal),
    Unanswered(Unanswered),
    TooManyStreams,
    Overloaded,
    Abandoned,
    Closing,
    Stopping,
    Internal(RenderError),
    Lost,
}

/// The shape of every error.
#[derive(Serialize)]
struct ErrorBody {
    status: &'static str,
    message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadQuery(message) => f.write_str(message),
            Self::InvalidJson => f.write_str("Invalid JSON payload"),
            Self::MissingField(field) => write!(f, "Missing required field: {field}"),
            Self::InvalidSyncStatus => f.write_str("sync_status must be SYNCED or OUT_OF_SYNC"),
            Self::InvalidField(invalid) => invalid.fmt(f),
            Self::NoSuchPath => f.write_str("There is nothing at this path"),
            Self::NoSuchEntry => f.write_str("There is no entry of this repo and server"),
            Self::MethodNotAllowed { allowed } => {
                write!(f, "This path does not take this method; it takes {allowed}")
            }
            Self::BodyTooSlow => f.write_str("The body did not arrive in time"),
            Self::BodyTooLarge { limit } => write!(f, "The body must be at most {limit} bytes"),
            Self::TooManyBodies => {
                f.write_str("Too many large bodies are arriving; this one was not read, try again")
            }
            Self::UnsupportedType => f.write_str(
                "Content-Type must be application/json: send the header \
                 'Content-Type: application/json'",
            ),
            Self::UnsupportedEncoding => {
                f.write_str("Content-Encoding must be gzip or identity, or not be there")
            }
            Self::Refused(refusal) => f.write_str(reason_of(*refusal)),
            Self::Unanswered(Unanswered::TooManyEntries) => f.write_str(
                "limit must be at least the number of entries: raise it, or ask for fewer by repo \
                 or server",
            ),
            Self::Unanswered(Unanswered::TooSlow) => f.write_str(
                "The answer takes too long to find: ask for less by repo, server, from or to",
            ),
            Self::Unanswered(Unanswered::Unavailable) => {
                f.write_str("The history cannot be read; try again")
            }
            Self::TooManyStreams => {
                f.write_str("Too many streams of changes are open; try again, or poll")
            }
            Self::Overloaded => f.write_str(
                "Too much is being asked at once, or this takes too long to find: try again, or \
                 ask for less",
            ),
            Self::Abandoned => {
                f.write_str("The client has closed its side of the connection, so nobody waits")
            }
            Self::Closing => f.write_str(
                "The connection was just being closed, and the body was not read; try again",
            ),
            Self::Stopping => f.write_str("The server is shutting down"),
            Self::Internal(_) | Self::Lost => f.write_str("Internal error; see the server's log"),
        }
    }
}

fn reason_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Busy => "Too many updates are waiting; this one was not applied, try again",
        Refusal::Full(Full::Entries) => {
            "max_entries is reached, and this would be a new entry; updates of known entries are \
             still taken"
        }
        Refusal::Full(Full::Bytes) => {
            "90 % of max_stored_bytes are used, and this would be a new entry; updates of known \
             entries are still taken"
        }
        Refusal::NotStored => "The update could not be stored; try again",
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadQuery(_)
            | Self::InvalidJson
            | Self::MissingField(_)
            | Self::InvalidSyncStatus
            | Self::InvalidField(_)
            | Self::Unanswered(Unanswered::TooManyEntries) => StatusCode::BAD_REQUEST,
            Self::NoSuchPath | Self::NoSuchEntry => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType | Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused(Refusal::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Refused(Refusal::Busy | Refusal::NotStored)
            | Self::Unanswered(Unanswered::TooSlow | Unanswered::Unavailable)
            | Self::TooManyBodies
            | Self::TooManyStreams
            | Self::Overloaded
            | Self::Abandoned
            | Self::Closing
            | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) | Self::Lost => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        if let Self::Internal(cause) = self {
            log::error!("An answer could not be rendered: {cause}");
        }
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/json"));
        match self {
            Self::MethodNotAllowed { allowed } => {
                response.insert_header((ALLOW, allowed.as_str()));
            }
            Self::Refused(Refusal::Busy) => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            Self::Refused(Refusal::NotStored)
            | Self::Unanswered(Unanswered::TooSlow | Unanswered::Unavailable)
            | Self::TooManyStreams
            | Self::Overloaded
            | Self::Abandoned
            | Self::Closing
            | Self::Stopping => {
                response.insert_header((RETRY_AFTER, "5"));
            }
            Self::TooManyBodies => {
                response.insert_header((RETRY_AFTER, "1"));
                response.force_close();
            }
            // What is left of the body is not worth reading.
            Self::BodyTooSlow | Self::BodyTooLarge { .. } => {
                response.force_close();
            }
            Self::BadQuery(_)
            | Self::InvalidJson
            | Self::MissingField(_)
            | Self::InvalidSyncStatus
            | Self::InvalidField(_)
            | Self::NoSuchPath
            | Self::NoSuchEntry
            | Self::UnsupportedType
            | Self::UnsupportedEncoding
            | Self::Refused(Refusal::Full(_))
            | Self::Unanswered(Unanswered::TooManyEntries)
            | Self::Internal(_)
            | Self::Lost => {}
        }
        response.json(ErrorBody { status: "error", message: self.to_string() })
    }
}

impl Responder for ApiError {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        self.error_response()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NoRoom> for ApiError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::TooManyBodies
    }
}

impl From<Unanswered> for ApiError {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

impl From<InvalidField> for ApiError {
    fn from(invalid: InvalidField) -> Self {
        Self::InvalidField(invalid)
    }
}

impl From<RenderError> for ApiError {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::GivenUp(_) => Self::Overloaded,
            other => Self::Internal(other),
        }
    }
}
