//! What handlers use: the parts of the server, and its limits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::backup::BackupTurn;
use super::bodies::Bodies;
use super::refusal_log::RefusalLog;
use super::scrapes::Scrapes;
use super::sending::Sending;
use super::sites::Sites;
use super::stopping::Stopping;
use super::update_log::UpdateLog;
use super::whole_list::WholeLists;
use super::work::Work;
use crate::access::Access;
use crate::board::Board;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::page::CommitLinks;
use crate::tls::Tls;

/// The parts of the server that handlers use.
pub struct Services {
    /// Takes updates, and publishes the snapshot that they lead to.
    pub board: Board,
    /// Decides who may do what.
    pub access: Arc<Access>,
    /// Tells requests for other web sites from those for this one.
    pub sites: Sites,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The list of everything, rendered once for all requests that wait for it.
    pub whole_lists: WholeLists,
    /// The rooms for reads that take a while.
    pub work: Work,
    /// The memory of the bodies that are being received.
    pub bodies: Bodies,
    /// Lets one client after the other take a copy of the database.
    pub backup_turn: BackupTurn,
    /// What all answers share that are rendered while they are sent.
    pub sending: Sending,
    /// The texts of metrics that are being sent.
    pub scrapes: Scrapes,
    /// The log of wrong updates.
    pub update_log: Arc<UpdateLog>,
    /// The log of requests that were refused for want of a valid token or of a right.
    pub refusal_log: Arc<RefusalLog>,
    /// The limits of requests.
    pub limits: Limits,
    /// Where links to the outside lead.
    pub links: Links,
    /// Whether the server has been told to stop.
    pub stopping: Stopping,
    /// Counts requests, warnings and overload.
    pub metrics: Arc<Metrics>,
    /// The certificate, if the server speaks TLS.
    pub tls: Option<Tls>,
}

impl Services {
    /// Returns the services of another port. They share the state of the server, and nothing that the
    /// clients of one port could use up for those of the other.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn of_another_port(&self) -> io::Result<Self> {
        let work = Work::new(&self.metrics.overload)?;
        Ok(Self {
            board: self.board.clone(),
            access: Arc::clone(&self.access),
            sites: self.sites.clone(),
            clock: Arc::clone(&self.clock),
            whole_lists: WholeLists::default(),
            bodies: Bodies::default(),
            backup_turn: BackupTurn::default(),
            sending: Sending::new(Arc::clone(&self.clock), &work),
            work,
            scrapes: Scrapes::default(),
            update_log: Arc::clone(&self.update_log),
            refusal_log: Arc::clone(&self.refusal_log),
            limits: self.limits,
            links: self.links.clone(),
            stopping: self.stopping.clone(),
            metrics: Arc::clone(&self.metrics),
            tls: self.tls.clone(),
        })
    }
}

/// Where links to the outside lead.
#[derive(Clone, Debug)]
pub struct Links {
    /// Where people reach this server, without a slash at the end, if that is known.
    pub(super) external_url: Option<String>,
    /// The pages of commits, if they have some.
    pub(super) commits: Option<CommitLinks>,
}

impl Links {
    /// Takes the URL of this server, without a slash at the end, and the template of the URL of a
    /// commit.
    #[must_use]
    pub fn new(external_url: Option<String>, revision_url: Option<&str>) -> Self {
        Self { external_url, commits: revision_url.map(CommitLinks::new) }
    }
}

/// The limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, inflated, in bytes.
    pub max_body_bytes: usize,
    /// How long a client may take to send a body.
    pub request_timeout: Duration,
    /// How many streams of changes may be open at once.
    pub max_event_streams: usize,
    /// How often a silent stream of changes sends a sign of life.
    pub keep_alive: Duration,
}
