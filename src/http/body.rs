//! The reading of a request's body: its type, its coding, its size, and the time it takes.

use std::io::{self, Write};

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::web::Payload;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;

use super::Limits;
use super::connections;
use super::error::ApiError;

/// Reads a JSON body, inflated.
///
/// # Errors
/// 415, 413 and 408, in the order in which they can be known; a body that breaks off or cannot be
/// inflated is no JSON.
pub(super) async fn read_json(
    request: &HttpRequest,
    payload: Payload,
    limits: Limits,
) -> Result<Vec<u8>, ApiError> {
    if !is_json(header(request, &CONTENT_TYPE)) {
        return Err(ApiError::UnsupportedType);
    }
    let limit = limits.max_body_bytes;
    let sink = Bounded { bytes: Vec::new(), limit, is_exceeded: false };
    let sink = match header(request, &CONTENT_ENCODING).trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Sink::Plain(sink),
        "gzip" => Sink::Gzip(Box::new(MultiGzDecoder::new(sink))),
        _ => return Err(ApiError::UnsupportedEncoding),
    };
    let length = header(request, &CONTENT_LENGTH).parse::<u64>();
    if length.is_ok_and(|length| length > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    tokio::time::timeout(limits.request_timeout, receive(request, payload, sink, limit))
        .await
        .map_err(|_| ApiError::BodyTooSlow)?
}

async fn receive(
    request: &HttpRequest,
    mut payload: Payload,
    mut sink: Sink,
    limit: usize,
) -> Result<Vec<u8>, ApiError> {
    while let Some(chunk) = payload.next().await {
        connections::note_progress(request);
        let chunk = chunk.map_err(|_| ApiError::InvalidJson)?;
        sink.write(&chunk, limit)?;
    }
    connections::note_body_end(request);
    sink.finish(limit)
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a media type is JSON: `application/json` or any `+json`, whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_suffixed = || {
        let subtype = essence.split_once('/').map(|(_, subtype)| subtype);
        subtype.is_some_and(|subtype| subtype.len() > 5 && subtype.ends_with("+json"))
    };
    essence == "application/json" || is_suffixed()
}

/// Where a body goes as it arrives.
enum Sink {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Sink {
    fn write(&mut self, chunk: &[u8], limit: usize) -> Result<(), ApiError> {
        let (written, sink) = match self {
            Self::Plain(sink) => (sink.write_all(chunk), &*sink),
            Self::Gzip(decoder) => (decoder.write_all(chunk), decoder.get_ref()),
        };
        written.map_err(|_| sink.error(limit))
    }

    fn finish(self, limit: usize) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Plain(sink) => Ok(sink.bytes),
            Self::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => Ok(std::mem::take(&mut decoder.get_mut().bytes)),
                Err(_) => Err(decoder.get_ref().error(limit)),
            },
        }
    }
}

/// Bytes up to a limit: a small gzip body can inflate to a thousand times its size.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_exceeded: bool,
}

impl Bounded {
    fn error(&self, limit: usize) -> ApiError {
        if self.is_exceeded { ApiError::BodyTooLarge { limit } } else { ApiError::InvalidJson }
    }
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + chunk.len() > self.limit {
            self.is_exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_type_or_its_suffix() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.gitops+json",
            "application/problem+json ;x=y",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in
            ["", "text/plain", "text/json", "application/jsonx", "application/+json", "json"]
        {
            assert!(!is_json(other), "{other}");
        }
    }
}
