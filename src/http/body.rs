//! Reading a request's body, within limits of type, coding, size and time.

use std::io::{self, Write};

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::web::Payload;
use flate2::write::MultiGzDecoder;
use futures_util::{FutureExt, StreamExt};

use super::bodies::{NoRoom, Share};
use super::connections;
use super::error::ApiError;
use super::services::Services;

/// The memory that inflating a body takes beside the bytes of the body, roughly.
const INFLATER_BYTES: usize = 96 * 1024;

/// A complete body, and its share of the memory of all bodies.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    _share: Share,
}

/// Reads a JSON body, inflated.
///
/// # Errors
/// 415, 413, 408 and 503, each as soon as it is known. A body that breaks off or cannot be inflated
/// is invalid JSON.
pub(super) async fn read_json(
    request: &HttpRequest,
    payload: Payload,
    services: &Services,
) -> Result<Body, ApiError> {
    if !is_json(header(request, &CONTENT_TYPE)) {
        return Err(ApiError::UnsupportedType);
    }
    let limit = services.limits.max_body_bytes;
    let is_gzip = match header(request, &CONTENT_ENCODING).trim().to_ascii_lowercase().as_str() {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        _ => return Err(ApiError::UnsupportedEncoding),
    };
    let length = header(request, &CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    match usize::try_from(length) {
        Ok(length) if length <= limit => connections::expect_body(request, length),
        _ => return Err(ApiError::BodyTooLarge { limit }),
    }
    let sink = Bounded { bytes: Vec::new(), share: services.bodies.begin(), limit, failure: None };
    let received = receive(request, payload, sink, is_gzip);
    let body = tokio::time::timeout(services.limits.request_timeout, received).await;
    let body = body.unwrap_or(Err(ApiError::BodyTooSlow));
    if matches!(body, Err(ApiError::TooManyBodies)) {
        services.metrics.overload.note("bodies");
    }
    body
}

/// Takes a body in chunks, as if it arrived so.
#[cfg(feature = "fuzzing")]
pub(super) fn take<'a>(
    bodies: &super::Bodies,
    limit: usize,
    is_gzip: bool,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, ApiError> {
    let bounded = Bounded { bytes: Vec::new(), share: bodies.begin(), limit, failure: None };
    let mut sink = Sink::new(bounded, is_gzip)?;
    chunks.into_iter().try_for_each(|chunk| sink.write(chunk))?;
    Ok(sink.finish()?.bytes)
}

async fn receive(
    request: &HttpRequest,
    mut payload: Payload,
    bounded: Bounded,
    is_gzip: bool,
) -> Result<Body, ApiError> {
    let mut sink = Sink::new(bounded, is_gzip)?;
    loop {
        // Most bodies have arrived with their head and never wait.
        let chunk = match payload.next().now_or_never() {
            Some(chunk) => chunk,
            None => sink.bounded_mut().share.wait(payload.next()).await?,
        };
        let Some(chunk) = chunk else { break };
        connections::note_progress(request);
        sink.write(&chunk.map_err(|_| connections::why_body_broke_off(request))?)?;
    }
    connections::note_body_end(request);
    let Bounded { bytes, mut share, .. } = sink.finish()?;
    share.complete()?;
    Ok(Body { bytes, _share: share })
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

/// Takes a body as it arrives, and inflates it if need be.
enum Sink {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Sink {
    fn new(mut bounded: Bounded, is_gzip: bool) -> Result<Self, ApiError> {
        if !is_gzip {
            return Ok(Self::Plain(bounded));
        }
        bounded.share.grow(INFLATER_BYTES)?;
        Ok(Self::Gzip(Box::new(MultiGzDecoder::new(bounded))))
    }

    fn bounded_mut(&mut self) -> &mut Bounded {
        match self {
            Self::Plain(bounded) => bounded,
            Self::Gzip(decoder) => decoder.get_mut(),
        }
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        let written = match self {
            Self::Plain(bounded) => bounded.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
        };
        written.map_err(|_| self.bounded_mut().error())
    }

    fn finish(mut self) -> Result<Bounded, ApiError> {
        if let Self::Gzip(decoder) = &mut self
            && decoder.try_finish().is_err()
        {
            return Err(decoder.get_ref().error());
        }
        match self {
            Self::Plain(bounded) => Ok(bounded),
            Self::Gzip(decoder) => decoder.finish().map_err(|_| broken_gzip()),
        }
    }
}

fn broken_gzip() -> ApiError {
    let detail = "the body is not whole gzip: it is damaged, cut off, or was not compressed";
    ApiError::InvalidJson(detail.to_owned())
}

/// A buffer with a limit, since a small gzip body can inflate to a thousand times its size.
struct Bounded {
    bytes: Vec<u8>,
    share: Share,
    limit: usize,
    failure: Option<Failure>,
}

/// Why the buffer refused bytes.
#[derive(Clone, Copy)]
enum Failure {
    TooLarge,
    NoRoom,
}

impl Bounded {
    fn error(&self) -> ApiError {
        match self.failure {
            Some(Failure::TooLarge) => ApiError::BodyTooLarge { limit: self.limit },
            Some(Failure::NoRoom) => ApiError::TooManyBodies,
            None => broken_gzip(),
        }
    }

    /// Grows the buffer to hold this many bytes, and counts its memory.
    fn reserve(&mut self, length: usize) -> Result<(), Failure> {
        if length > self.limit {
            return Err(Failure::TooLarge);
        }
        let capacity = self.bytes.capacity();
        if length > capacity {
            let enlarged = length.max(2 * capacity).min(self.limit);
            self.share.grow(enlarged - capacity).map_err(|NoRoom| Failure::NoRoom)?;
            self.bytes.reserve_exact(enlarged - self.bytes.len());
        }
        Ok(())
    }
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if let Err(failure) = self.reserve(self.bytes.len() + chunk.len()) {
            self.failure = Some(failure);
            return Err(io::ErrorKind::OutOfMemory.into());
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
