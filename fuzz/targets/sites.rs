//! Other sites: `Host`, `Origin` and `Sec-Fetch-Site`.

use std::sync::LazyLock;

use gitops_status_server::http::Sites;
use gitops_status_server::http::fuzzing::check_site;
use url::{Host, Url};

/// Takes only requests for its own names.
static LOOPBACK: LazyLock<Sites> = LazyLock::new(|| server(true));
/// Takes requests for every name.
static ELSEWHERE: LazyLock<Sites> = LazyLock::new(|| server(false));

fn server(refuses_other_hosts: bool) -> Sites {
    let allowed = vec!["status.example.org".to_owned(), "*.example.net".to_owned()];
    Sites::new(allowed, Some("https://external.example:8443/drift"), refuses_other_hosts)
}

/// The lines of the input are the three headers. A browser that writes headers which are accepted means
/// this server, and the headers that a browser writes for this server are accepted.
pub fn sites(input: &[u8]) {
    let is_of_a_header = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if !input.iter().all(|byte| *byte == b'\n' || is_of_a_header(byte)) {
        return;
    }
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let [host, origin, site] = [(); 3].map(|()| lines.next().unwrap_or_default());
    if site.contains(&b'\n') {
        return;
    }
    read(host);
    write(host, origin);
    let headers = [("host", host), ("origin", origin), ("sec-fetch-site", site)];
    let is_own = matches!(site, b"same-origin" | b"none");
    assert_eq!(check_site(&ELSEWHERE, true, headers).is_ok(), is_own);
}

/// A read at a server on loopback.
fn read(host: &[u8]) {
    let is_accepted = check_site(&LOOPBACK, false, [("host", host)]).is_ok();
    let text = String::from_utf8_lossy(host);
    let place = Place::asked_for("http", &text);
    let is_ours = place.as_ref().is_some_and(Place::is_known);
    let is_usual = place.is_some_and(|place| place.text == text);
    assert!(is_ours || !is_accepted, "{text:?}");
    assert!(is_accepted || !is_ours || !is_usual, "{text:?}");
}

/// A write for a page, at a server for other machines.
fn write(host: &[u8], origin: &[u8]) {
    let headers = [("host", host), ("origin", origin)];
    let is_accepted = check_site(&ELSEWHERE, true, headers).is_ok();
    let [host, origin] = [host, origin].map(String::from_utf8_lossy);
    let Ok(url) = Url::parse(&origin) else {
        assert!(!is_accepted, "{origin:?}");
        return;
    };
    let scheme = url.scheme();
    let (page, asked) = (Place::of(&url), Place::asked_for(scheme, &host));
    let is_ours = matches!(scheme, "http" | "https")
        && page.as_ref().is_some_and(|page| {
            page.is_allowed()
                || (scheme, page.name(), page.port) == ("https", "external.example", 8443)
                || asked.as_ref().is_some_and(|asked| asked.is_at(page))
        });
    let is_usual =
        asked.is_some_and(|it| it.text == host) && url.origin().ascii_serialization() == origin;
    assert!(is_ours || !is_accepted, "{origin:?} at {host:?}");
    assert!(is_accepted || !is_ours || !is_usual, "{origin:?} at {host:?}");
}

/// Where a browser goes.
struct Place {
    host: Host,
    port: u16,
    /// How it writes that in `Host`.
    text: String,
}

impl Place {
    fn asked_for(scheme: &str, text: &str) -> Option<Self> {
        Self::of(&Url::parse(&format!("{scheme}://{text}/")).ok()?)
    }

    fn of(url: &Url) -> Option<Self> {
        let host = url.host()?.to_owned();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let text = format!("{host}{port}");
        Some(Self { host, port: url.port_or_known_default()?, text })
    }

    /// Its name without a dot at the end; none for an address.
    fn name(&self) -> &str {
        match &self.host {
            Host::Domain(name) => name.strip_suffix('.').unwrap_or(name),
            Host::Ipv4(_) | Host::Ipv6(_) => "",
        }
    }

    fn is_at(&self, other: &Self) -> bool {
        let is_same_host = match self.host {
            Host::Domain(_) => !self.name().is_empty() && self.name() == other.name(),
            Host::Ipv4(_) | Host::Ipv6(_) => self.host == other.host,
        };
        is_same_host && self.port == other.port
    }

    fn is_allowed(&self) -> bool {
        self.name() == "status.example.org" || self.is_below(".example.net")
    }

    fn is_below(&self, end: &str) -> bool {
        self.name().strip_suffix(end).is_some_and(|start| !start.is_empty())
    }

    /// Whether no other site can have it, or the settings say that it is this server's.
    fn is_known(&self) -> bool {
        let name = self.name();
        let is_local = !name.is_empty() && !name.contains('.');
        !matches!(self.host, Host::Domain(_))
            || is_local
            || [".localhost", ".svc", ".local", ".internal"].iter().any(|end| self.is_below(end))
            || name == "external.example"
            || self.is_allowed()
    }
}
