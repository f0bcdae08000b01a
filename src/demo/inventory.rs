//! The names of the fleet: its servers, its repositories and their files.

/// How often a repository's job checks the servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Job {
    /// Every hour.
    Hourly,
    /// Once a night; its reports say so.
    Nightly,
    /// Every hour, from cron on the servers: the reports name no commit and no run.
    Cron,
}

/// A repository.
#[derive(Debug)]
pub(super) struct Repo {
    pub(super) name: &'static str,
    pub(super) job: Job,
    pub(super) files: &'static [&'static str],
}

const fn repo(name: &'static str, job: Job, files: &'static [&'static str]) -> Repo {
    Repo { name, job, files }
}

/// The repository with the job that flaps.
pub(super) const FLAPPING_REPO: usize = 10;

/// The repositories.
pub(super) static REPOS: [Repo; 25] = [
    repo("auditd", Job::Hourly, &["auditd.conf", "rules.d/30-privileged.rules"]),
    repo("borgmatic", Job::Nightly, &["config.yaml", "hooks/pre-backup.sh"]),
    repo("ca-certificates", Job::Hourly, &["ca-certificates.conf", "internal-root.crt"]),
    repo("chrony", Job::Hourly, &["chrony.conf", "chrony.keys"]),
    repo("cis-baseline", Job::Nightly, &["login.defs", "security/limits.conf", "issue.net"]),
    repo("cron", Job::Cron, &["cron.d/certbot", "cron.d/cleanup"]),
    repo("fail2ban", Job::Hourly, &["jail.local", "filter.d/nginx-login.conf"]),
    repo("grafana-agent", Job::Hourly, &["agent.yaml", "rules/hosts.yaml"]),
    repo("haproxy", Job::Hourly, &["haproxy.cfg", "errors/503.http", "maps/hosts.map"]),
    repo("journald", Job::Hourly, &["journald.conf"]),
    repo("keepalived", Job::Hourly, &["keepalived.conf", "check-vip.sh"]),
    repo("logrotate", Job::Hourly, &["logrotate.conf", "logrotate.d/nginx"]),
    repo("nftables", Job::Hourly, &["nftables.conf", "sets/allowed.nft"]),
    repo(
        "nginx",
        Job::Hourly,
        &[
            "nginx.conf",
            "conf.d/tls.conf",
            "conf.d/limits.conf",
            "sites/api.conf",
            "sites/shop.conf",
        ],
    ),
    repo("node-exporter", Job::Hourly, &["node-exporter.service", "textfile/updates.sh"]),
    repo(
        "os-packages",
        Job::Nightly,
        &[
            "curl",
            "libssl3",
            "openssl",
            "openssh-server",
            "linux-image-amd64",
            "sudo",
            "tzdata",
            "vim",
        ],
    ),
    repo("pam", Job::Cron, &["common-auth", "common-password"]),
    repo("postfix", Job::Hourly, &["main.cf", "transport"]),
    repo("rsyslog", Job::Hourly, &["rsyslog.conf", "rsyslog.d/30-forward.conf"]),
    repo("sshd", Job::Hourly, &["sshd_config", "sshd_config.d/10-ciphers.conf"]),
    repo("sudoers", Job::Cron, &["sudoers", "sudoers.d/deploy"]),
    repo("sysctl", Job::Hourly, &["99-network.conf", "99-memory.conf"]),
    repo("systemd-units", Job::Hourly, &["app.service", "app.timer"]),
    repo("unbound", Job::Hourly, &["unbound.conf", "unbound.conf.d/forward.conf"]),
    repo("vector", Job::Hourly, &["vector.yaml", "sinks/loki.yaml"]),
];

const SITES: [&str; 4] = ["ams2", "fra1", "nyc3", "sgp1"];

/// The roles of servers, with the number of each in a site.
const ROLES: [(&str, usize); 8] = [
    ("web", 24),
    ("api", 15),
    ("db", 10),
    ("cache", 8),
    ("worker", 10),
    ("lb", 2),
    ("mon", 2),
    ("build", 4),
];

/// The role of the servers on which a job flaps.
const FLAPPING_ROLE: &str = "lb";

/// A place for a server; when the server is decommissioned, another one takes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) role: &'static str,
    site: &'static str,
    number: usize,
    of: usize,
}

impl Place {
    /// Returns the name of the server that is there after `replaced` others.
    pub(super) fn server(&self, replaced: usize) -> String {
        let Self { role, site, number, of } = self;
        format!("{role}-{:02}.{site}.example.com", number + replaced * of)
    }

    /// Whether a job may flap there.
    pub(super) fn may_flap(&self) -> bool {
        self.role == FLAPPING_ROLE
    }
}

/// Returns all places, in the order in which jobs check them.
pub(super) fn places() -> Vec<Place> {
    let numbered = |site, (role, of): (&'static str, usize)| {
        (1..=of).map(move |number| Place { role, site, number, of })
    };
    let of_site = |site| ROLES.into_iter().flat_map(move |role| numbered(site, role));
    SITES.into_iter().flat_map(of_site).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::{FileName, RepoName, ServerName};

    #[test]
    fn there_are_300_places_and_no_server_gets_the_name_of_another() {
        let names: BTreeSet<String> = (0..3)
            .flat_map(|replaced| places().into_iter().map(move |place| place.server(replaced)))
            .collect();
        assert_eq!((places().len(), names.len()), (300, 900));
        assert!(names.contains("web-01.fra1.example.com"));
        assert!(names.iter().all(|name| ServerName::parse(name).is_ok()));
    }

    #[test]
    fn every_repository_has_a_name_of_its_own_and_files() {
        let names: BTreeSet<&str> = REPOS.iter().map(|repo| repo.name).collect();
        assert_eq!(names.len(), 25);
        for repo in &REPOS {
            assert!(RepoName::parse(repo.name).is_ok());
            assert!(!repo.files.is_empty());
            assert!(repo.files.iter().all(|name| FileName::parse(name).is_ok()));
        }
        assert_eq!(REPOS[FLAPPING_REPO].name, "keepalived");
        assert!(places().into_iter().any(|place| place.may_flap()));
    }
}
