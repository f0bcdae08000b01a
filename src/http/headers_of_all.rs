//! What every answer tells browsers and caches.

/// What every answer tells browsers and caches, unless it has something else to say: not to guess its
/// type, neither to run nor to frame it if it is opened by itself, not to load it into a page of another
/// origin, and not to keep it. By themselves, caches may keep even errors, such as 404, 405 and 501.
pub const HEADERS_OF_ALL: [(&str, &str); 4] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
];
