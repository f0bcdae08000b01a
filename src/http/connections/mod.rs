//! Open connections: how many there may be, which of them make progress, and the end of those that
//! do not.
//!
//! actix limits only how long the first request head of a connection may take. A client that drips
//! a body or a second head, or that does not read its answer, could keep its connection for ever.
//! actix also reads an unwanted chunked body for as long as it goes on.
//! [Decision 15](../../../docs/decisions/0015-connections.md) has the reasons.

mod activity;
mod entrance;
mod intake;
mod limits;
mod misfits;
mod open;
mod peer;
mod registry;
mod stream;
mod track;
mod turns;
mod upgrade;

pub use entrance::Entrance;
pub use limits::ConnectionLimits;
pub(super) use peer::Peer;
pub use registry::Connections;
pub(crate) use stream::Stream;
pub(crate) use track::track;
pub(super) use track::{
    expect_body, note_body_end, note_progress, note_stream, why_body_broke_off,
};
