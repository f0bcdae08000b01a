//! The file of settings.

use gitops_status_server::config::fuzzing::resolve;

use crate::refusal::is_one_line;

/// Settings that are accepted, written out by `check-config`, mean the same when they are read again.
pub fn config(input: &[u8]) {
    let Ok(content) = std::str::from_utf8(input) else { return };
    match resolve(content) {
        Ok(resolved) => {
            let written = resolved.to_toml();
            let again = resolve(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(format!("{:?}", again.config), format!("{:?}", resolved.config));
        }
        Err(error) => is_one_line(&error.to_string()),
    }
}
