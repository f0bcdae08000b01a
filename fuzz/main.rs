//! Feeds the fuzzer's inputs to one parser: the one that the variable `FUZZ_TARGET` names.
//!
//! A target panics if a promise about its parser does not hold. `scripts/fuzz` builds and runs this.

#![no_main]

#[path = "targets/body.rs"]
mod body;
#[path = "targets/config.rs"]
mod config;
#[path = "targets/credential.rs"]
mod credential;
#[path = "targets/headers.rs"]
mod headers;
#[path = "targets/model.rs"]
mod model;
#[path = "targets/queries.rs"]
mod queries;
#[path = "targets/refusal.rs"]
mod refusal;
#[path = "targets/report.rs"]
mod report;
#[path = "targets/sites.rs"]
mod sites;
#[path = "targets/tokens.rs"]
mod tokens;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// Feeds a parser, and checks what is promised of it.
type Target = fn(&[u8]);

/// Each target has its seeds in a folder of its name.
const TARGETS: [(&str, Target); 14] = [
    ("body", body::body),
    ("coding", headers::coding),
    ("config", config::config),
    ("credential", credential::credential),
    ("etag", headers::etag),
    ("event-id", headers::event_id),
    ("history", queries::history),
    ("list", queries::list),
    ("overview", queries::overview),
    ("report", report::report),
    ("routes", queries::routes),
    ("sites", sites::sites),
    ("timeline", queries::timeline),
    ("tokens", tokens::tokens),
];

#[expect(clippy::disallowed_methods, reason = "the fuzzer owns the arguments")]
fn chosen() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let known = TARGETS.iter().find(|(known, _)| *known == name);
        known.unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}, which is no target")).1
    })
}

fuzz_target!(|input: &[u8]| chosen()(input));
