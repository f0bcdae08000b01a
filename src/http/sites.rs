//! Keeps other web sites out: refuses what a browser sends for a page of another site.
//!
//! A page may send requests to every server that the browser reaches. The browser says for whom, in
//! `Sec-Fetch-Site` or `Origin`. If the page's own name was made to lead here (DNS rebinding), the
//! browser takes the page for ours, and only `Host` has that name.

use std::future::{Ready, ready};
use std::net::Ipv4Addr;

use actix_web::Error;
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use actix_web::http::uri::Authority as UriAuthority;
use actix_web::web::Data;
use futures_util::future::Either;
use url::{Host, Url};

use super::error::ApiError;
use super::services::Services;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What names on which no other site can be end with.
const LOCAL: [&str; 4] = [".localhost", ".svc", ".local", ".internal"];

/// The names of this server.
#[derive(Clone, Debug)]
pub struct Sites {
    /// The hosts that the settings name, and patterns such as `*.example.org`.
    allowed: Vec<String>,
    /// Where people reach this server, if that is known.
    external: Option<Origin>,
    /// Whether requests for other names are refused.
    refuses_other_hosts: bool,
}

/// Where a page comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    is_secure: bool,
    host: Host,
    port: u16,
}

/// A host, and a port if it is not the usual one.
#[derive(Debug)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Sites {
    /// Takes hosts and patterns as browsers write them, the URL of this server, and whether requests
    /// for other hosts are refused: those that are neither allowed nor local names.
    #[must_use]
    pub fn new(
        allowed: Vec<String>,
        external_url: Option<&str>,
        refuses_other_hosts: bool,
    ) -> Self {
        // The setting has been checked: it is an http or https URL.
        let url = external_url.and_then(|url| Url::parse(url).ok());
        let external = url.and_then(|url| Origin::parse(&url.origin().ascii_serialization()));
        Self { allowed, external, refuses_other_hosts }
    }

    /// Whether pages of other sites may show the badge. Its width tells what it says, so they may not
    /// where only this machine should know that.
    pub(super) fn may_show_badge(&self) -> bool {
        !self.refuses_other_hosts
    }

    /// Checks for whom a browser has sent a request. Other clients do not say.
    ///
    /// # Errors
    /// 421 for a host that is not this server's, 403 for a write of another site.
    pub(super) fn check(&self, head: &RequestHead) -> Result<(), ApiError> {
        if self.refuses_other_hosts && !self.is_host_ours(head) {
            return Err(ApiError::UnknownHost);
        }
        let only_reads = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if only_reads || self.is_from_own_page(head) {
            return Ok(());
        }
        Err(ApiError::ForeignSite)
    }

    /// Checks a request by which somebody without a token changes something. A browser that was led
    /// here by the name of another site takes its page for one of ours.
    ///
    /// # Errors
    /// 403 if a browser has sent it, and not to a name of this server.
    pub(super) fn check_anonymous_write(&self, head: &RequestHead) -> Result<(), ApiError> {
        let is_of_browser =
            head.headers.contains_key(SEC_FETCH_SITE) || head.headers.contains_key(ORIGIN);
        if is_of_browser && !self.is_host_ours(head) {
            return Err(ApiError::ForeignSite);
        }
        Ok(())
    }

    /// Whether each name in the request is a name of this server. A request of HTTP/1.0 may have none;
    /// no browser sends that.
    fn is_host_ours(&self, head: &RequestHead) -> bool {
        let is_ours = |name: &str| {
            Authority::parse(name).is_some_and(|Authority { host, port: _ }| match &host {
                Host::Ipv4(_) | Host::Ipv6(_) => true,
                Host::Domain(name) => is_local(name) || self.is_configured(&host),
            })
        };
        let mut hosts = head.headers.get_all(HOST).map(HeaderValue::to_str);
        let target = head.uri.authority().map(UriAuthority::as_str);
        target.is_none_or(is_ours) && hosts.all(|host| host.is_ok_and(is_ours))
    }

    /// Whether the settings say that a host is this server's.
    fn is_configured(&self, host: &Host) -> bool {
        self.external.as_ref().is_some_and(|external| external.host == *host) || self.allows(host)
    }

    fn allows(&self, host: &Host) -> bool {
        if self.allowed.is_empty() {
            return false;
        }
        let host = host.to_string();
        self.allowed.iter().any(|allowed| match allowed.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == *allowed,
        })
    }

    /// Whether a page of this server has sent a request, or no page at all.
    fn is_from_own_page(&self, head: &RequestHead) -> bool {
        let mut sites = head.headers.get_all(SEC_FETCH_SITE).peekable();
        if sites.peek().is_some() {
            return sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        }
        let mut origins = head.headers.get_all(ORIGIN).map(HeaderValue::to_str);
        origins.all(|origin| {
            let origin = origin.ok().and_then(Origin::parse);
            origin.is_some_and(|origin| self.is_own(&origin, head))
        })
    }

    fn is_own(&self, origin: &Origin, head: &RequestHead) -> bool {
        self.external.as_ref() == Some(origin)
            || self.allows(&origin.host)
            || asked_for(head).is_some_and(|authority| origin.is_at(&authority))
    }
}

impl Origin {
    /// Parses `scheme://host:port`, where the port may be left out.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_secure = if scheme.eq_ignore_ascii_case("https") {
            true
        } else if scheme.eq_ignore_ascii_case("http") {
            false
        } else {
            return None;
        };
        let Authority { host, port } = Authority::parse(authority)?;
        Some(Self { is_secure, host, port: port.unwrap_or(usual_port(is_secure)) })
    }

    /// Whether it is the origin of what has been asked for. A proxy may have made http of https.
    fn is_at(&self, authority: &Authority) -> bool {
        let port = authority.port.unwrap_or(usual_port(self.is_secure));
        self.host == authority.host && self.port == port
    }
}

impl Authority {
    /// Parses `host`, `host:` and `host:port` as browsers do.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            // A colon in brackets belongs to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (text, ""),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
        Some(Self { host: host_of(host)?, port })
    }
}

fn host_of(text: &str) -> Option<Host> {
    // The most usual names need no look at Unicode.
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Ipv4(address));
    }
    match Host::parse(text).ok()? {
        Host::Domain(mut name) => {
            // A dot at the end says that the name is whole.
            if name.ends_with('.') {
                name.pop();
            }
            (!name.is_empty()).then_some(Host::Domain(name))
        }
        address => Some(address),
    }
}

const fn usual_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

/// Whether a name can only be one of this machine or this network: nobody can register it.
fn is_local(name: &str) -> bool {
    !name.contains('.') || LOCAL.iter().any(|end| name.len() > end.len() && name.ends_with(end))
}

/// Returns the host that a request names. A target that is a URL goes before `Host`.
fn asked_for(head: &RequestHead) -> Option<Authority> {
    if let Some(authority) = head.uri.authority() {
        return Authority::parse(authority.as_str());
    }
    Authority::parse(head.headers.get(HOST)?.to_str().ok()?)
}

/// Serves a request unless a browser has sent it for another site.
pub(super) fn guard<S>(
    request: ServiceRequest,
    service: &S,
) -> Either<S::Future, Ready<Result<ServiceResponse, Error>>>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let sites = request.app_data::<Data<Services>>().map(|services| &services.sites);
    match sites.map_or(Ok(()), |sites| sites.check(request.head())) {
        Ok(()) => Either::Left(service.call(request)),
        Err(error) => Either::Right(ready(Ok(request.error_response(error)))),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn sites(refuses_other_hosts: bool) -> Sites {
        let allowed = vec!["status.example.org".to_owned(), "*.example.net".to_owned()];
        Sites::new(allowed, Some("https://external.example:8443/drift"), refuses_other_hosts)
    }

    fn is_host_known(host: &str) -> bool {
        let request = TestRequest::get().insert_header((HOST, host)).to_srv_request();
        sites(true).check(request.head()).is_ok()
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_this_servers() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.0.2.1:",
            "127.1",
            "[::1]",
            "[::1]:8080",
            "[0:0::1]:80",
            "localhost",
            "LocalHost.:8080",
            "gitops_status",
            "status.localhost",
            "gitops-status-server.observability-stack.svc",
            "gitops-status-server.observability-stack.svc.cluster.local:80",
            "nas.LOCAL.",
            "vm.internal",
            "status.example.org:1234",
            "STATUS.example.org.",
            "a.b.example.net",
            "external.example",
        ] {
            assert!(is_host_known(host), "{host}");
        }
    }

    #[test]
    fn a_name_that_another_site_can_have_is_not_this_servers() {
        for host in [
            "rebind.example",
            "rebind.example:8080",
            "rebind.example.",
            "rebind.example..",
            "127.0.0.1.rebind.example",
            "localhost.rebind.example",
            "status.example.org.rebind.example",
            "xstatus.example.org",
            "example.net",
            "xexample.net",
            ".example.net.rebind.example",
            "rebind.svc.example",
            "rebindlocal.example",
            ".local",
            "localhost@rebind.example",
            "localhost:80@rebind.example",
            "localhost:80:80",
            "localhost:+80",
            "localhost:65536",
            "localhost%2erebind%2eexample",
            "localhost rebind.example",
            "localhost,rebind.example",
            "http://localhost",
            "[::1",
            "[::1].rebind.example",
            "::1",
            "127.0.0.1.5",
            ".",
            "..",
            "",
            ":80",
        ] {
            assert!(!is_host_known(host), "{host}");
        }
    }

    fn is_own(origin: &str, host: &str) -> bool {
        let request = TestRequest::post().insert_header((HOST, host));
        let request = request.insert_header((ORIGIN, origin)).to_srv_request();
        sites(false).check(request.head()).is_ok()
    }

    #[test]
    fn a_page_is_ours_if_its_origin_is_where_the_request_goes_or_is_configured() {
        for (origin, host) in [
            ("http://a.example", "a.example"),
            ("http://A.EXAMPLE.:80", "a.example"),
            ("http://a.example", "a.example.:80"),
            ("https://a.example", "a.example:443"),
            ("HTTPS://a.example:443", "a.example"),
            ("http://a.example:8080", "a.example:8080"),
            ("http://[::1]:8080", "[0:0::1]:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("https://external.example:8443", "10.0.0.1:8080"),
            ("https://status.example.org:1234", "10.0.0.1:8080"),
            ("http://x.example.net", "10.0.0.1:8080"),
        ] {
            assert!(is_own(origin, host), "{origin} at {host}");
        }
        for (origin, host) in [
            ("null", "null"),
            ("null", "a.example"),
            ("", "a.example"),
            ("http://b.example", "a.example"),
            ("http://a.example:8081", "a.example:8080"),
            ("http://a.example:8080", "a.example"),
            ("http://a.example", "a.example:8080"),
            ("https://a.example", "a.example:80"),
            ("http://127.0.0.1:8080", "localhost:8080"),
            ("http://a.example.b.example", "a.example"),
            ("http://a.example@b.example", "a.example"),
            ("http://a.example http://b.example", "a.example"),
            ("http://a.example/", "a.example"),
            ("http://a.example:80x", "a.example"),
            ("//a.example", "a.example"),
            ("a.example", "a.example"),
            ("file://a.example", "a.example"),
            ("chrome-extension://a.example", "a.example"),
            ("http://external.example:8443", "10.0.0.1:8080"),
            ("https://external.example", "10.0.0.1:8080"),
            ("https://example.net", "10.0.0.1:8080"),
        ] {
            assert!(!is_own(origin, host), "{origin} at {host}");
        }
    }
}
