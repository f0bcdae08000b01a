//! The table of routes: each path, its methods, the right that each method needs, and its handler.
//!
//! A route that names no right does not compile, nor does a handler that takes no [`Caller`].

use std::future::ready;
use std::sync::Arc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError,
};

use super::caller::{CheckQuery, Need, Needs, WithCaller};
use super::error::ApiError;
use super::measure::{self, Meter};
use super::services::Services;
use super::sites;
use super::{
    backup, badge, events, figures, health, history, list, methods, metrics, openapi, pages,
    status, timeline,
};
use crate::access::Right;
use crate::render::{Figures, Format};

/// Returns every path of the API.
fn table() -> [Route; 22] {
    [
        Route::at("/api/status")
            .on(Method::POST, Right::Write, status::post)
            .on(Method::DELETE, Right::Delete, status::delete)
            .with_query(status::check_query),
        Route::reading("/status.json", Right::Read, list::list(Format::Json))
            .with_query(|query, _| list::check_query(query, Format::Json)),
        Route::reading("/status.csv", Right::Read, list::list(Format::Csv))
            .with_query(|query, _| list::check_query(query, Format::Csv)),
        Route::reading("/api/history", Right::Read, history::history)
            .with_query(history::check_query),
        Route::reading("/api/timeline", Right::Read, timeline::timeline)
            .with_query(timeline::check_query),
        Route::reading("/api/events", Right::Read, events::events).with_query(events::check_query),
        Route::reading("/api/summary", Right::Read, figures::figures(Figures::Summary))
            .with_query(|query, _| figures::check_query(query, Figures::Summary)),
        Route::reading("/api/repos", Right::Read, figures::figures(Figures::Repos))
            .with_query(|query, _| figures::check_query(query, Figures::Repos)),
        Route::reading("/api/servers", Right::Read, figures::figures(Figures::Servers))
            .with_query(|query, _| figures::check_query(query, Figures::Servers)),
        Route::reading("/api/files", Right::Read, figures::figures(Figures::Files))
            .with_query(|query, _| figures::check_query(query, Figures::Files)),
        Route::reading("/api/backup", Right::Backup, backup::backup),
        Route::reading("/badge.svg", Right::Read, badge::badge).with_query(badge::check_query),
        Route::reading("/", Right::Read, pages::overview::overview).for_people(),
        Route::reading("/entry", Right::Read, pages::entry::entry)
            .with_query(pages::entry::check_query)
            .for_people(),
        Route::reading("/file", Right::Read, pages::file::file)
            .with_query(pages::file::check_query)
            .for_people(),
        Route::reading("/login", Right::SignIn, pages::login::login)
            .with_query(pages::login::check_query)
            .for_people(),
        // They are no secret, and the page that asks to sign in needs them.
        Route::reading("/assets/{name}", Right::Probe, pages::asset),
        Route::reading("/metrics", Right::Read, metrics::metrics).on_admin_port_too(),
        Route::reading("/openapi.json", Right::Read, openapi::openapi),
        Route::reading("/health", Right::Probe, health::health).on_admin_port_too(),
        Route::reading("/livez", Right::Probe, health::livez).on_admin_port_too(),
        Route::reading("/readyz", Right::Probe, health::readyz).on_admin_port_too(),
    ]
}

/// Checks a query string as the route of this place in the table does, counted round and round.
#[cfg(feature = "fuzzing")]
pub(super) fn check_query(
    route: usize,
    query: &str,
    now: crate::domain::Timestamp,
) -> Result<(), ApiError> {
    let table = table();
    let needs = table.get(route % table.len()).and_then(|route| route.needs.0.last());
    needs.map_or(Ok(()), |need| (need.check_query)(query, now))
}

/// Registers every path of the API.
pub(crate) fn routes(paths: &mut ServiceConfig) {
    let table = table();
    let known = table.each_ref().map(|route| route.path);
    for route in table {
        paths.service(route);
    }
    let others = move |request: HttpRequest, services: Data<Services>| {
        let nowhere = ApiError::NoSuchPath { meant: meant(request.path(), &known) };
        ready(no_route(&request, &services, "GET, HEAD, POST, DELETE", nowhere))
    };
    paths.default_service(web::to(others));
}

/// Registers the paths of the port of `admin_listen`; all others are on the main port, of this number.
pub(crate) fn admin_routes(paths: &mut ServiceConfig, main_port: u16) {
    let here = table().into_iter().filter(|route| route.is_on_admin_port);
    let here: Vec<Route> = here.collect();
    let known: Vec<&str> = here.iter().map(|route| route.path).collect();
    let known: Arc<str> = known.join(", ").into();
    for route in here {
        paths.service(route);
    }
    let others = move |request: HttpRequest, services: Data<Services>| {
        let elsewhere = ApiError::OnMainPort { here: Arc::clone(&known), main_port };
        ready(no_route(&request, &services, "GET, HEAD", elsewhere))
    };
    paths.default_service(web::to(others));
}

/// One path of the API.
struct Route {
    path: &'static str,
    /// Whether the path is on the port of `admin_listen` as well as on the main one.
    is_on_admin_port: bool,
    /// Whether its errors are pages too, for browsers.
    is_for_people: bool,
    needs: Needs,
    handlers: Resource,
}

impl Route {
    /// Begins a path without methods.
    fn at(path: &'static str) -> Self {
        let (needs, handlers) = (Needs::default(), web::resource(path));
        Self { path, is_on_admin_port: false, is_for_people: false, needs, handlers }
    }

    /// Adds a method, the right that it needs and its handler.
    fn on<H, A>(mut self, method: Method, right: Right, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromRequest + WithCaller + 'static,
        H::Output: Responder + 'static,
    {
        // Most methods ignore the query string.
        let check_query = |_: &str, _| Ok(());
        self.needs.0.push(Need { method: method.clone(), right, check_query });
        self.handlers = self.handlers.route(web::method(method).to(handler));
        self
    }

    /// Sets what checks the query string, which `POST /api/status` alone ignores.
    fn with_query(mut self, check_query: CheckQuery) -> Self {
        for need in self.needs.0.iter_mut().filter(|need| need.method != Method::POST) {
            need.check_query = check_query;
        }
        self
    }

    /// Puts the path on the port of `admin_listen` too.
    fn on_admin_port_too(self) -> Self {
        Self { is_on_admin_port: true, ..self }
    }

    /// Answers browsers with errors as pages, where programs get JSON.
    fn for_people(self) -> Self {
        Self { is_for_people: true, ..self }
    }

    /// Begins a path that can only be read: by GET, and by HEAD for the same without a body.
    fn reading<H, A>(path: &'static str, right: Right, handler: H) -> Self
    where
        H: Handler<A> + Clone,
        A: FromRequest + WithCaller + 'static,
        H::Output: Responder + 'static,
    {
        let route = Self::at(path).on(Method::GET, right, handler.clone());
        route.on(Method::HEAD, right, handler)
    }
}

impl HttpServiceFactory for Route {
    fn register(self, config: &mut AppService) {
        let Self { path, is_on_admin_port: _, is_for_people, needs, handlers } = self;
        let allowed: Vec<&str> = needs.0.iter().map(|need| need.method.as_str()).collect();
        let others = methods::others(allowed.join(", "));
        let meter = Meter::new(path);
        let handlers = handlers.app_data(needs).default_service(others).wrap_fn(sites::guard);
        if is_for_people {
            handlers
                .wrap_fn(pages::with_errors_as_pages)
                .wrap_fn(move |request, service| meter.measure(request, service))
                .register(config);
        } else {
            handlers
                .wrap_fn(move |request, service| meter.measure(request, service))
                .register(config);
        }
    }
}

/// The pages that no program means that asks for something of an API.
const PAGES: [&str; 3] = ["/entry", "/file", "/login"];

/// Answers a request for a path that is not on this port, and counts it.
fn no_route(
    request: &HttpRequest,
    services: &Services,
    methods: &str,
    error: ApiError,
) -> Result<HttpResponse, ApiError> {
    let answer = services.sites.check(request.head()).and_then(|()| {
        // `OPTIONS *` asks about the server, not about a path.
        let is_about_server = request.method() == Method::OPTIONS && request.path() == "*";
        if is_about_server { Ok(methods::options(methods)) } else { Err(error) }
    });
    let code = answer.as_ref().map_or_else(ApiError::status_code, HttpResponse::status);
    measure::note_no_route(request, services, code);
    answer
}

/// Returns the known path that a wrong one ends with, apart from case and superfluous slashes. What
/// comes before it may be a prefix that a proxy should have removed, or the version of another API.
fn meant(path: &str, known: &[&'static str]) -> Option<&'static str> {
    let segments = path.split('/').filter(|segment| !matches!(*segment, "" | "."));
    let plain = format!("/{}", segments.collect::<Vec<&str>>().join("/")).to_ascii_lowercase();
    let is_of_api = plain.contains("/api/");
    let fits = |known: &&'static str| {
        let end = if is_of_api { known.strip_prefix("/api").unwrap_or(known) } else { known };
        let is_path = *known != "/" && !known.contains('{');
        is_path && !(is_of_api && PAGES.contains(known)) && plain.ends_with(end)
    };
    let fitting = known.iter().copied().filter(fits);
    fitting.max_by_key(|known| (is_of_api && known.starts_with("/api/"), known.len()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    /// Returns every method of every path, with the right that it needs.
    fn rights() -> BTreeMap<(&'static str, String), Right> {
        let table = table();
        let rights = table.iter().flat_map(|Route { path, needs, .. }| {
            needs.0.iter().map(|need| ((*path, need.method.to_string()), need.right))
        });
        let rights: Vec<_> = rights.collect();
        let by_route: BTreeMap<_, _> = rights.iter().cloned().collect();
        assert_eq!(by_route.len(), rights.len(), "a route is in the table twice");
        by_route
    }

    #[test]
    fn every_described_path_is_in_the_table_with_a_right_and_no_other() {
        let described: Value =
            serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
        let paths = described["paths"].as_object().unwrap();
        let described: BTreeSet<(&str, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(|method| (path.as_str(), method.to_uppercase()))
            })
            .collect();
        let in_table: BTreeSet<(&str, String)> = rights()
            .into_keys()
            .filter(|(path, method)| method != "HEAD" && !path.starts_with("/assets/"))
            .collect();
        assert_eq!(described, in_table);
    }

    #[test]
    fn a_path_with_a_slash_too_many_in_capitals_under_a_prefix_or_with_a_version_is_recognized() {
        let known = table().map(|route| route.path);
        for (path, expected) in [
            ("/api/status/", Some("/api/status")),
            ("//api/status", Some("/api/status")),
            ("/api//status//", Some("/api/status")),
            ("/api/./status", Some("/api/status")),
            ("/API/Status", Some("/api/status")),
            ("/drift/api/status", Some("/api/status")),
            ("/drift/status.json/", Some("/status.json")),
            ("/api/statuses", None),
            ("/drift/entry", Some("/entry")),
            ("/api/v2/status", Some("/api/status")),
            ("/api/v1/api/repos", Some("/api/repos")),
            ("/api/status.json", Some("/status.json")),
            ("/api/v2/entry", None),
            ("/api/", None),
            ("/foo/assets/{name}", None),
            ("/xapi/status", None),
            ("/status", None),
            ("//", None),
            ("*", None),
        ] {
            assert_eq!(meant(path, &known), expected, "{path}");
        }
    }

    #[test]
    fn only_updates_removals_backups_signing_in_styles_and_probes_need_another_right_than_to_read()
    {
        let rights = rights();
        let others: Vec<(&str, &str, Right)> = rights
            .iter()
            .filter(|(_, right)| **right != Right::Read)
            .map(|((path, method), right)| (*path, method.as_str(), *right))
            .collect();
        assert_eq!(
            others,
            [
                ("/api/backup", "GET", Right::Backup),
                ("/api/backup", "HEAD", Right::Backup),
                ("/api/status", "DELETE", Right::Delete),
                ("/api/status", "POST", Right::Write),
                ("/assets/{name}", "GET", Right::Probe),
                ("/assets/{name}", "HEAD", Right::Probe),
                ("/health", "GET", Right::Probe),
                ("/health", "HEAD", Right::Probe),
                ("/livez", "GET", Right::Probe),
                ("/livez", "HEAD", Right::Probe),
                ("/login", "GET", Right::SignIn),
                ("/login", "HEAD", Right::SignIn),
                ("/readyz", "GET", Right::Probe),
                ("/readyz", "HEAD", Right::Probe),
            ]
        );
    }
}
