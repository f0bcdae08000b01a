//! The metrics of requests: route, method, status and time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest};

use super::methods;
use super::services::Services;
use crate::metrics::RequestCounter;

/// The route of requests for unknown paths.
const NO_ROUTE: &str = "none";

/// Counts the requests for one route on one thread; clones share the counters.
#[derive(Clone)]
pub(super) struct Meter {
    route: &'static str,
    /// The counters used so far. They are few, so this is faster than the map that all threads share.
    counters: Rc<RefCell<Vec<Kind>>>,
}

/// The requests of one method and status.
struct Kind {
    method: &'static str,
    code: StatusCode,
    counter: RequestCounter,
}

impl Meter {
    pub(super) fn new(route: &'static str) -> Self {
        Self { route, counters: Rc::default() }
    }

    /// Serves a request, and counts it once its answer begins.
    pub(super) fn measure<S, B>(
        &self,
        request: ServiceRequest,
        service: &S,
    ) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    {
        let meter = self.clone();
        let began = services(request.request()).map(|services| services.clock.monotonic());
        let method = methods::name(request.method());
        let response = service.call(request);
        async move {
            let response = response.await?;
            if let (Some(services), Some(began)) = (services(response.request()), began) {
                let took = services.clock.monotonic().saturating_sub(began);
                meter.note(services, method, response.status(), took);
            }
            Ok(response)
        }
    }

    fn note(&self, services: &Services, method: &'static str, code: StatusCode, took: Duration) {
        let mut counters = self.counters.borrow_mut();
        let found = counters.iter().find(|kind| kind.method == method && kind.code == code);
        if let Some(kind) = found {
            kind.counter.note(took);
        } else {
            let counter = services.metrics.requests.counter(self.route, method, code.as_u16());
            counter.note(took);
            counters.push(Kind { method, code, counter });
        }
    }
}

/// Counts a request for an unknown path.
pub(super) fn note_no_route(request: &HttpRequest, services: &Services, code: StatusCode) {
    let method = methods::name(request.method());
    services.metrics.requests.counter(NO_ROUTE, method, code.as_u16()).note_untimed();
}

fn services(request: &HttpRequest) -> Option<&Services> {
    request.app_data::<Data<Services>>().map(|services| &***services)
}
