//! Every answer that is not a success: one table.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::Serialize;
use thiserror::Error;

use super::backup;
use super::bodies::NoRoom;
use crate::access::{Right, TokenId, Unauthorized, redacted};
use crate::board::{BackupError, Refusal, Unanswered};
use crate::domain::{Full, InvalidField, Refused};
use crate::render::RenderError;

/// Makes browsers ask for a user name and a password.
const BASIC: &str = "Basic realm=\"gitops-status-server\", charset=\"UTF-8\"";

/// Why a request fails, with the message that the client gets.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    BadQuery(String),
    #[error("Invalid JSON payload")]
    InvalidJson(String),
    #[error("Missing required field: {0}")]
    MissingField(&'static str),
    #[error("sync_status must be SYNCED or OUT_OF_SYNC")]
    InvalidSyncStatus,
    #[error("{0}")]
    InvalidField(#[from] InvalidField),
    #[error("{0}")]
    InvalidFiles(String),
    #[error("There is nothing at this path{}", question(*.meant))]
    NoSuchPath { meant: Option<&'static str> },
    #[error("Only {here} are on this port; all other paths are on port {main_port}")]
    OnMainPort { here: Arc<str>, main_port: u16 },
    #[error("This path does not take this method; it takes {allowed}")]
    MethodNotAllowed { allowed: String },
    #[error("{}", reason_for_no_caller(.reason))]
    Unauthorized { reason: Unauthorized, offers_basic: bool },
    #[error("{0}")]
    Forbidden(Box<Forbidden>),
    #[error(
        "Host must be an IP address, a single label, a name that ends in .localhost, .svc, .local or \
         .internal, the host of external_url, or one of allowed_hosts: this server listens on \
         loopback without tokens, so pages under other names must not reach it; behind a proxy, set \
         allowed_hosts to the name that people use"
    )]
    UnknownHost,
    #[error(
        "A browser has sent this for a page of another site, which may neither write nor remove; if \
         the page is of this server, set external_url or allowed_hosts to its address"
    )]
    ForeignSite,
    #[error("The body did not arrive in time")]
    BodyTooSlow,
    #[error("The body must be at most {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("Too many large bodies are arriving; this one was not read, try again")]
    TooManyBodies,
    #[error(
        "Content-Type must be application/json: send the header 'Content-Type: application/json', \
         with curl by -H 'Content-Type: application/json'"
    )]
    UnsupportedType,
    #[error("Content-Encoding must be gzip or identity, or not be there")]
    UnsupportedEncoding,
    #[error("{}", reason_of(*.0))]
    Refused(#[from] Refusal),
    #[error("{}", reason_for_no_answer(.0))]
    Unanswered(#[from] Unanswered),
    #[error("{}", backup::reason_for_none(.0))]
    NotBackedUp(#[from] BackupError),
    #[error("Another backup is being taken; try again")]
    BackupUnderWay,
    #[error("Too many streams of changes are open; try again, or poll")]
    TooManyStreams,
    #[error(
        "Too much is being asked at once, or this takes too long to find: try again, or ask for \
         less"
    )]
    Overloaded,
    #[error("The client has closed its side of the connection, so nobody waits")]
    Abandoned,
    #[error("The connection was just being closed, and the body was not read; try again")]
    Closing,
    #[error("This port speaks TLS: use https://")]
    PlainHttp,
    #[error("The server is shutting down")]
    Stopping,
    #[error("Internal error; see the server's log")]
    Internal(RenderError),
    #[error("Internal error; see the server's log")]
    Lost,
}

/// What somebody may not do.
#[derive(Debug)]
pub(crate) struct Forbidden {
    pub(super) right: Right,
    /// The token that they have sent.
    pub(super) token: Option<TokenId>,
    /// The repository and the server, if the right is there, but not for these.
    pub(super) pair: Option<(String, String)>,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { right, token, pair } = self;
        let (deed, things, word) = match right {
            Right::Write => ("report", " updates", "write"),
            Right::Delete => ("remove", " entries", "delete"),
            Right::Read | Right::Probe => ("read", "", "read"),
            Right::Backup => ("take", " backups", "backup"),
            Right::SignIn => ("sign in", "", ""),
        };
        let Some(id) = token else {
            return write!(
                f,
                "Nobody may {deed}{things}: this server has no tokens (see its tokens_file)"
            );
        };
        match pair {
            None => write!(
                f,
                "The token {id} may not {deed}{things}: it lacks the right {word} (see the server's \
                 tokens_file)"
            ),
            Some((repo, server)) => write!(
                f,
                "The token {id} may not {deed} repo {repo:?} on server {server:?}: its right {word} \
                 does not cover them (see the server's tokens_file)"
            ),
        }
    }
}

/// One answer says that a token is not valid, so that it tells nothing about other tokens.
fn reason_for_no_caller(reason: &Unauthorized) -> &'static str {
    match reason {
        Unauthorized::Missing => {
            "This needs a token: send it in the header 'Authorization: Bearer TOKEN'"
        }
        Unauthorized::Malformed => {
            "The token does not have the form gss_<id>_<secret>, with a secret of 43 characters, or is \
             in a wrong place: send it in the header 'Authorization: Bearer TOKEN'"
        }
        Unauthorized::UnknownId | Unauthorized::WrongSecret(_) | Unauthorized::Expired(_) => {
            "The token is not valid: it is unknown, its secret is wrong, or it has expired; the \
             server's log says which"
        }
    }
}

fn question(meant: Option<&str>) -> String {
    meant.map(|path| format!("; did you mean {path}?")).unwrap_or_default()
}

fn reason_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Busy => "Too many updates are waiting; this one was not applied, try again",
        Refusal::Refused(Refused::Full(Full::Entries)) => {
            "max_entries is reached, and this would be a new entry; updates of known entries are \
             still taken"
        }
        Refusal::Refused(Refused::Full(Full::Bytes)) => {
            "90 % of max_stored_bytes are used, and this would be a new entry; updates of known \
             entries are still taken"
        }
        Refusal::Refused(Refused::NoSuchEntry) => "There is no entry of this repo and server",
        Refusal::NotStored => "The update could not be stored; try again",
    }
}

fn reason_for_no_answer(unanswered: &Unanswered) -> &'static str {
    match unanswered {
        Unanswered::TooManyEntries => {
            "limit must be at least the number of entries: raise it, to at most 100000, or ask for \
             fewer entries by repo or server"
        }
        Unanswered::TooManyToSumUp => {
            "by sums up at most 100000 entries: ask for fewer entries by repo or server"
        }
        Unanswered::TooSlow => {
            "The answer takes too long to find: ask for less by repo, server, from or to"
        }
        Unanswered::Unavailable(_) => "The history cannot be read; try again",
    }
}

/// What the client gets for an error beside its message.
struct Answer<'a> {
    status: StatusCode,
    headers: Vec<(HeaderName, &'a str)>,
    /// Whether the connection ends with the answer, because the rest of the body is not worth
    /// reading.
    closes: bool,
    /// The fault of this program or its store, to be logged. Overload is no fault: it is counted, and
    /// must not flood the log. The writer logs updates that could not be stored.
    fault: Option<&'a dyn fmt::Display>,
}

impl<'a> Answer<'a> {
    fn of(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), closes: false, fault: None }
    }

    /// Answers 503: the client should try again after this many seconds.
    fn unavailable(retry_after: &'static str) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE).with(RETRY_AFTER, retry_after)
    }

    fn unauthorized(offers_basic: bool) -> Self {
        let answer = Self::of(StatusCode::UNAUTHORIZED);
        let answer = answer.with(WWW_AUTHENTICATE, "Bearer realm=\"gitops-status-server\"");
        if offers_basic { answer.with(WWW_AUTHENTICATE, BASIC) } else { answer }
    }

    fn of_backup(error: &'a BackupError) -> Self {
        match error {
            BackupError::ByOtherMeans => Self::of(StatusCode::NOT_IMPLEMENTED),
            BackupError::NoRoom { .. } => Self::of(StatusCode::INSUFFICIENT_STORAGE),
            BackupError::GivenUp => Self::unavailable("5"),
            BackupError::Damaged(_) => Self::of(StatusCode::INTERNAL_SERVER_ERROR).by_fault(error),
            BackupError::Failed(_) => Self::unavailable("5").by_fault(error),
        }
    }

    fn with(mut self, name: HeaderName, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    fn by_fault(self, fault: &'a dyn fmt::Display) -> Self {
        Self { fault: Some(fault), ..self }
    }
}

impl ApiError {
    fn answer(&self) -> Answer<'_> {
        match self {
            Self::BadQuery(_)
            | Self::InvalidJson(_)
            | Self::MissingField(_)
            | Self::InvalidSyncStatus
            | Self::InvalidField(_)
            | Self::InvalidFiles(_)
            | Self::PlainHttp
            | Self::Unanswered(Unanswered::TooManyEntries | Unanswered::TooManyToSumUp) => {
                Answer::of(StatusCode::BAD_REQUEST)
            }
            Self::NoSuchPath { .. }
            | Self::OnMainPort { .. }
            | Self::Refused(Refusal::Refused(Refused::NoSuchEntry)) => {
                Answer::of(StatusCode::NOT_FOUND)
            }
            Self::MethodNotAllowed { allowed } => {
                Answer::of(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, allowed)
            }
            Self::Unauthorized { offers_basic, .. } => Answer::unauthorized(*offers_basic),
            Self::Forbidden(_) | Self::ForeignSite => Answer::of(StatusCode::FORBIDDEN),
            Self::UnknownHost => Answer::of(StatusCode::MISDIRECTED_REQUEST),
            Self::BodyTooSlow => Answer::of(StatusCode::REQUEST_TIMEOUT).closing(),
            Self::BodyTooLarge { .. } => Answer::of(StatusCode::PAYLOAD_TOO_LARGE).closing(),
            Self::UnsupportedType | Self::UnsupportedEncoding => {
                Answer::of(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::Refused(Refusal::Refused(Refused::Full(_))) => {
                Answer::of(StatusCode::INSUFFICIENT_STORAGE)
            }
            Self::NotBackedUp(error) => Answer::of_backup(error),
            Self::TooManyBodies => Answer::unavailable("1").closing(),
            Self::Refused(Refusal::Busy) => Answer::unavailable("1"),
            Self::Unanswered(unanswered @ Unanswered::Unavailable(_)) => {
                Answer::unavailable("5").by_fault(unanswered)
            }
            Self::Refused(Refusal::NotStored)
            | Self::Unanswered(Unanswered::TooSlow)
            | Self::TooManyStreams
            | Self::BackupUnderWay
            | Self::Overloaded
            | Self::Abandoned
            | Self::Closing
            | Self::Stopping => Answer::unavailable("5"),
            Self::Internal(cause) => Answer::of(StatusCode::INTERNAL_SERVER_ERROR).by_fault(cause),
            Self::Lost => Answer::of(StatusCode::INTERNAL_SERVER_ERROR)
                .by_fault(&"the thread that worked on the answer panicked"),
        }
    }

    /// Returns what the client gets. It may repeat what they have sent: a token in a wrong place is
    /// hidden.
    pub(super) fn message(&self) -> String {
        redacted(&self.to_string()).into_owned()
    }

    /// Returns what is said beside the message, whose words are promised.
    pub(super) fn detail(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::InvalidJson(detail) => Some(redacted(detail)),
            _ => None,
        }
    }

    /// Returns the reason for the log of requests. Parameters are left out, since a query string may
    /// contain secrets.
    pub(super) fn reason(&self) -> Option<String> {
        match (self, self.detail()) {
            (Self::BadQuery(_), _) => None,
            (_, None) => Some(self.message()),
            (_, Some(detail)) => Some(format!("{}: {detail}", self.message())),
        }
    }

    /// Returns the fault of this program or its store, to be logged.
    pub(super) fn fault(&self) -> Option<&dyn fmt::Display> {
        self.answer().fault
    }
}

/// The shape of every error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    status: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.answer().status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let Answer { status, headers, closes, fault: _ } = self.answer();
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, "application/json"));
        for header in headers {
            response.append_header(header);
        }
        if closes {
            response.force_close();
        }
        let detail = self.detail();
        response.json(ErrorBody { status: "error", message: self.message(), detail })
    }
}

impl Responder for ApiError {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        HttpResponse::from_error(self)
    }
}

impl From<NoRoom> for ApiError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::TooManyBodies
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
