//! What every answer tells browsers.

/// What every answer tells browsers, unless it has something else to say: not to guess its type,
/// neither to run nor to frame it if it is opened by itself, and not to load it into a page of
/// another origin.
pub const HEADERS_OF_ALL: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
];
