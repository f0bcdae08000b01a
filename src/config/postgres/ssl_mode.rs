//! How much TLS a connection to PostgreSQL has: `sslmode`.

use super::super::value::InvalidValue;

/// The modes of libpq but for `allow`, which nothing needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it, with any certificate.
    Prefer,
    /// TLS with any certificate.
    Require,
    /// TLS with a certificate of a trusted authority, for any host.
    VerifyCa,
    /// TLS with a certificate of a trusted authority for the host.
    VerifyFull,
}

impl SslMode {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(InvalidValue::new(
                    "sslmode: expected verify-full, verify-ca, require, prefer or disable",
                ));
            }
        })
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether the server's certificate is checked.
    pub(super) fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }

    /// Returns what others on the network may do, in a sentence; `None` if nothing.
    pub(super) fn weakness(self) -> Option<&'static str> {
        Some(match self {
            Self::Disable | Self::Prefer => {
                "others on the network may read and change what is sent to the database"
            }
            Self::Require => {
                "others on the network may answer in the database's place, because its certificate is \
                 not checked"
            }
            // sqlx adds the public authorities to those of sslrootcert.
            Self::VerifyCa => {
                "each host with a certificate of a public authority may answer in the database's place, \
                 because the name in the certificate is not checked"
            }
            Self::VerifyFull => return None,
        })
    }
}
