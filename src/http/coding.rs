//! Content codings of answers: negotiation and compression.

use std::io::Write;

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::render::RenderError;

/// The content coding of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    /// Chooses the coding that a client prefers. Among equals that is gzip, which is kept ready.
    /// Without `Accept-Encoding` nothing is compressed.
    pub(super) fn negotiate(headers: &HeaderMap) -> Self {
        let asked = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
        let (mut gzip, mut brotli, mut any) = (None, None, None);
        for element in asked.flat_map(|value| value.split(',')) {
            let mut parts = element.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| {
                part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?.parse::<f32>().ok()
            });
            let weight = Some(weight.unwrap_or(1.0));
            match name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = weight,
                "br" => brotli = weight,
                "*" => any = weight,
                _ => {}
            }
        }
        let (gzip, brotli) = (gzip.or(any).unwrap_or(0.0), brotli.or(any).unwrap_or(0.0));
        if gzip > 0.0 && gzip >= brotli {
            Self::Gzip
        } else if brotli > 0.0 {
            Self::Brotli
        } else {
            Self::Identity
        }
    }

    /// The value of `Content-Encoding`, if the header is sent.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// Encodes a whole body.
    pub(super) fn encode(self, parts: &[Bytes]) -> Result<Bytes, RenderError> {
        match self {
            Self::Identity => Ok(parts.concat().into()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                parts.iter().try_for_each(|part| encoder.write_all(part))?;
                Ok(encoder.finish()?.into())
            }
            Self::Brotli => {
                let mut encoder = brotli_encoder(22);
                parts.iter().try_for_each(|part| encoder.write_all(part))?;
                Ok(encoder.into_inner().into())
            }
        }
    }
}

/// Returns an encoder with a window of `2^window` bytes, which it holds in memory. Its quality is low
/// because answers in Brotli are never kept: each is compressed for one client.
fn brotli_encoder(window: i32) -> CompressorWriter<Vec<u8>> {
    let params =
        BrotliEncoderParams { quality: 4, lgwin: window, ..BrotliEncoderParams::default() };
    CompressorWriter::with_params(Vec::new(), 16 * 1024, &params)
}

/// Encodes a body piece by piece.
pub(super) enum Encoder {
    Identity,
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Option<Box<CompressorWriter<Vec<u8>>>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Identity => Self::Identity,
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
            // A small window, because many answers may be under way for a long time.
            Coding::Brotli => Self::Brotli(Some(Box::new(brotli_encoder(18)))),
        }
    }

    /// Encodes the next piece. The result may be empty, except for the last piece.
    pub(super) fn encode(&mut self, piece: Vec<u8>, is_last: bool) -> Result<Bytes, RenderError> {
        let encoded = match self {
            Self::Identity => piece,
            Self::Gzip(encoder) => {
                encoder.write_all(&piece)?;
                if is_last {
                    encoder.try_finish()?;
                }
                std::mem::take(encoder.get_mut())
            }
            Self::Brotli(encoder) => {
                if let Some(encoder) = encoder {
                    encoder.write_all(&piece)?;
                }
                match encoder {
                    Some(encoder) if !is_last => std::mem::take(encoder.get_mut()),
                    finished => finished.take().map(|last| last.into_inner()).unwrap_or_default(),
                }
            }
        };
        Ok(encoded.into())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_client_gets_what_it_prefers_and_nothing_unasked() {
        for (asked, chosen) in [
            ("", Coding::Identity),
            ("identity", Coding::Identity),
            ("deflate, zstd", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("GZIP", Coding::Gzip),
            ("gzip;q=0", Coding::Identity),
            ("br", Coding::Brotli),
            ("gzip, deflate, br, zstd", Coding::Gzip),
            ("gzip;q=0.5, br;q=0.9", Coding::Brotli),
            ("*", Coding::Gzip),
            ("*, gzip;q=0", Coding::Brotli),
            ("identity;q=1, *;q=0", Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(asked).unwrap());
            assert_eq!(Coding::negotiate(&headers), chosen, "{asked:?}");
        }
        assert_eq!(Coding::negotiate(&HeaderMap::new()), Coding::Identity);
    }
}
