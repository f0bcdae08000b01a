//! A pod is deleted under load: SIGTERM, and another one on the same volume.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use super::pod::Pod;
use super::rendered::Rendered;
use crate::reporting::{reporter, script};
use crate::support::{Process, free_address, wait_until};

const REPORTERS: usize = 4;

/// The jobs of a fleet, each with the script of docs/reporting.md.
struct Fleet<'a> {
    script: &'a TempDir,
    server: SocketAddr,
    token: &'a str,
    /// What the scripts say on standard error.
    errors: &'a Path,
    reported: AtomicUsize,
    is_over: AtomicBool,
}

impl Fleet<'_> {
    /// Reports one entry after another; returns their names. A report that fails is a failure.
    fn report(&self, number: usize) -> Vec<String> {
        let mut names = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let name = format!("web-{number}-{}", names.len());
            let mut command = reporter(self.script, self.server, &name, "echo a.conf");
            command.env("GITOPS_STATUS_TOKEN", self.token).stderr(self.errors());
            let status = command.status().unwrap();
            assert!(status.success(), "{name}: {status}, {}", self.said());
            names.push(name);
            self.reported.fetch_add(1, Ordering::SeqCst);
        }
        names
    }

    fn errors(&self) -> File {
        OpenOptions::new().append(true).create(true).open(self.errors).unwrap()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.errors).unwrap_or_default()
    }

    /// Waits until this number of reports more has been taken.
    fn wait_for(&self, more: usize) {
        let goal = self.reported.load(Ordering::SeqCst) + more;
        wait_until("jobs report", || self.reported.load(Ordering::SeqCst) >= goal);
    }
}

#[test]
fn a_pod_that_is_deleted_under_load_loses_no_report_of_jobs_that_repeat_as_documented() {
    let rendered = Rendered::of("base");
    let mut pod = Pod::of(&rendered).on_free_ports();
    // The next pod has the same address, as behind a Service.
    let address = free_address();
    pod.set("GITOPS_STATUS_LISTEN", &address.to_string());
    let (script, errors) = (script(), pod.root().join("errors"));
    let fleet = &Fleet {
        script: &script,
        server: address,
        token: &pod.token.token,
        errors: &errors,
        reported: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    let mut first = Process::run(&mut pod.command());
    let (names, last) = thread::scope(|scope| {
        let jobs: Vec<_> =
            (0..REPORTERS).map(|job| scope.spawn(move || fleet.report(job))).collect();
        fleet.wait_for(10);
        first.signal("TERM");
        // It serves while the cluster learns that it goes.
        wait_until("it is unready", || first.admin().get("/readyz").status == 503);
        fleet.wait_for(REPORTERS);
        assert_eq!(first.wait().code(), Some(0));
        // Nobody answers at the address while the next pod is made.
        wait_until("a job is refused", || fleet.said().contains("curl: (7)"));
        let last = Process::run(&mut pod.command());
        fleet.wait_for(3 * REPORTERS);
        fleet.is_over.store(true, Ordering::SeqCst);
        let names = jobs.into_iter().flat_map(|job| job.join().unwrap());
        (names.map(|name| format!("rsyslog/{name}")).collect::<Vec<_>>(), last)
    });
    let kept = last.names("");
    assert!(names.len() > 20);
    assert_eq!(names.iter().find(|name| !kept.contains(name)), None);
    assert_eq!(kept.len(), names.len());
}
