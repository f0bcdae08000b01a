//! Whether servers answer alike.

use super::{Client, Reply};

/// What replicas have to answer alike once everything is at rest.
const TARGETS: [&str; 6] = [
    "/status.json",
    "/status.csv",
    "/api/summary",
    "/api/repos",
    "/api/servers",
    "/api/history?limit=10000",
];

/// Asks all replicas the same. Returns which of them differs from the first in bytes or tag, or does
/// not answer with 200.
pub fn answer_alike(
    replicas: &[Client],
    ask: impl Fn(&Client, &str) -> Option<Reply>,
) -> Result<(), String> {
    for target in TARGETS {
        let answer = |place: usize| {
            let reply = ask(&replicas[place], target).filter(|reply| reply.status == 200);
            let reply = reply.ok_or_else(|| format!("replica {place} does not answer {target}"))?;
            Ok::<_, String>((reply.header("etag").map(str::to_owned), reply.body))
        };
        let first = answer(0)?;
        for place in 1..replicas.len() {
            if answer(place)? != first {
                return Err(format!("replica {place} differs from the first in {target}"));
            }
        }
    }
    Ok(())
}
