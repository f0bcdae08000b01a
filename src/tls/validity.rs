//! The fields of a certificate that this program needs: until when it is valid, and its version.

use std::time::Duration;

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag};

use crate::domain::Timestamp;

/// The field of version 3 as it is encoded. The lower versions leave it out or have another number.
const VERSION_3: &[u8] = &[0xa0, 3, 2, 1, 2];

/// Whether a certificate has version 3 of X.509, the only one of which TLS makes use.
///
/// # Errors
/// Bytes that are not an X.509 certificate.
pub(super) fn is_version_3(certificate: &[u8]) -> der::Result<bool> {
    let signed = AnyRef::from_der(certificate)?;
    let to_be_signed = AnyRef::decode(&mut SliceReader::new(signed.value())?)?;
    Ok(to_be_signed.value().starts_with(VERSION_3))
}

/// Returns the last moment of a certificate's validity.
///
/// # Errors
/// Bytes that are not an X.509 certificate (RFC 5280, section 4.1).
pub(super) fn not_after(certificate: &[u8]) -> der::Result<Timestamp> {
    let signed = AnyRef::from_der(certificate)?;
    let to_be_signed = AnyRef::decode(&mut SliceReader::new(signed.value())?)?;
    let mut fields = SliceReader::new(to_be_signed.value())?;
    let has_version = fields.peek_tag()?.is_context_specific();
    let before_validity = 3 + usize::from(has_version);
    // Perhaps a version; a serial number, the signature's algorithm, the issuer.
    for _ in 0..before_validity {
        fields.tlv_bytes()?;
    }
    let validity = AnyRef::decode(&mut fields)?;
    let mut times = SliceReader::new(validity.value())?;
    times.tlv_bytes()?;
    let since_1970 = match times.peek_tag()? {
        Tag::UtcTime => UtcTime::decode(&mut times)?.to_unix_duration(),
        _ => GeneralizedTime::decode(&mut times)?.to_unix_duration(),
    };
    Ok(timestamp(since_1970))
}

fn timestamp(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(0).plus(since_1970)
}
