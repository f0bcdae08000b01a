//! The incidents: series, the alerts that they fire, and the messages that people get. Each has a
//! cluster of its own, so that they can happen at the same time.

use std::collections::BTreeMap;

const SERVERS: u32 = 300;
const REPOSITORIES: u32 = 25;
/// When a replay ends.
pub const END: u32 = 300;

/// An alert that fires from one minute until another.
pub struct Firing {
    pub name: &'static str,
    pub from: u32,
    pub to: u32,
    labels: BTreeMap<&'static str, String>,
}

impl Firing {
    fn new(
        name: &'static str,
        (from, to): (u32, u32),
        labels: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let is_critical = ["GitopsStatusDown", "GitopsStatusNotWritable"].contains(&name);
        let severity = if is_critical { "critical" } else { "warning" };
        let labels = labels.into_iter().chain([("severity", severity.to_owned())]).collect();
        Self { name, from, to, labels }
    }

    /// Returns the labels, as promtool expects them.
    pub fn labels(&self) -> &BTreeMap<&'static str, String> {
        &self.labels
    }

    /// Returns the labels with the name.
    pub fn all_labels(&self) -> BTreeMap<&'static str, String> {
        let mut labels = self.labels.clone();
        labels.insert("alertname", self.name.to_owned());
        labels
    }
}

/// What happens, and what follows.
pub struct Incident {
    /// Its name, and the cluster where it happens.
    pub name: &'static str,
    /// The minute at which a replay begins.
    pub begins: u32,
    /// Series with their values at every fifth minute.
    pub series: Vec<(String, String)>,
    pub firing: Vec<Firing>,
    /// Each message: the alert, and whether it fires or has ended.
    pub messages: &'static [&'static str],
}

impl Incident {
    fn new(name: &'static str, messages: &'static [&'static str]) -> Self {
        let mut new = Self { name, begins: 0, series: Vec::new(), firing: Vec::new(), messages };
        for repository in 0..REPOSITORIES {
            let labels = format!("repo=\"r{repository}\"");
            new.add("gitops_status_repo_entries", &labels, &format!("{SERVERS}x200"));
        }
        new
    }

    /// The server answers all the time.
    fn with_server(mut self) -> Self {
        self.add("gitops_status_build_info", "", "1x200");
        self.add("up", "", "1x200");
        self
    }

    fn add(&mut self, metric: &str, labels: &str, values: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let cluster = self.name;
        let series =
            format!("{metric}{{cluster=\"{cluster}\",instance=\"a\",job=\"j\"{comma}{labels}}}");
        self.series.push((series, values.to_owned()));
    }

    /// An entry is 1 in a metric from one minute until another, and 0 else.
    fn entry(&mut self, metric: &str, repo: u32, server: u32, from: u32, to: u32) {
        let values = (0..=100).map(|step| u8::from((from..to).contains(&(step * 5))).to_string());
        let values = values.collect::<Vec<_>>().join(" ");
        self.add(metric, &format!("repo=\"r{repo}\",server=\"s{server}\""), &values);
    }

    fn fires(&mut self, name: &'static str, times: (u32, u32), labels: &[(&'static str, String)]) {
        let cluster = ("cluster", self.name.to_owned());
        self.firing.push(Firing::new(name, times, labels.iter().cloned().chain([cluster])));
    }
}

fn repo(number: u32) -> (&'static str, String) {
    ("repo", format!("r{number}"))
}

fn server(number: u32) -> (&'static str, String) {
    ("server", format!("s{number}"))
}

fn instance() -> [(&'static str, String); 2] {
    [("instance", "a".to_owned()), ("job", "j".to_owned())]
}

/// Returns all incidents.
pub fn all() -> Vec<Incident> {
    vec![
        bad_commit(),
        deployment(),
        dead_runner(),
        dead_runner_of_all(),
        silent_server(),
        drifted_server(),
        outage(),
        restart(),
        upgrade(),
        upgrade_in_place(),
        network_flap(),
        full_disk(),
    ]
}

/// The check of each server finds it within the hour; eight servers stay drifted afterwards.
fn bad_commit() -> Incident {
    let messages = &["GitopsStatusRepoDrifted firing", "GitopsStatusDrifted firing"];
    let mut it = Incident::new("bad-commit", messages).with_server();
    for number in 0..SERVERS {
        let step = 5 * (number % 12);
        let to = if number < 8 { 1000 } else { 180 + step };
        it.entry("gitops_status_drifted", 7, number, 10 + step, to);
        it.fires("GitopsStatusDrifted", (70 + step, to.min(END)), &[repo(7), server(number)]);
    }
    // Thirty are a tenth; it ends a quarter of an hour after fewer are drifted.
    it.fires("GitopsStatusRepoDrifted", (75, 250), &[repo(7)]);
    it
}

/// A deployment takes 50 minutes: no drift lasts for an hour.
fn deployment() -> Incident {
    let mut it = Incident::new("deployment", &[]).with_server();
    for number in 0..SERVERS {
        it.entry("gitops_status_drifted", 7, number, 10, 60);
    }
    it
}

fn dead_runner() -> Incident {
    let mut it = Incident::new("dead-runner", &["GitopsStatusManySilent firing"]).with_server();
    for number in 0..SERVERS {
        let step = 5 * (number % 12);
        it.entry("gitops_status_stale", 7, number, 10 + step, 130 + step);
        it.fires("GitopsStatusSilent", (15 + step, 130 + step), &[repo(7), server(number)]);
    }
    it.fires("GitopsStatusManySilent", (20, 195), &[repo(7)]);
    it
}

/// A runner serves a sixth of the servers, for all repositories. (promtool loads at most 10,000
/// samples, so it cannot do all 7,500 entries.)
fn dead_runner_of_all() -> Incident {
    let mut it = Incident::new("dead-runners", &["GitopsStatusManySilent firing"]).with_server();
    for repository in 0..REPOSITORIES {
        for number in 0..SERVERS / 6 {
            it.entry("gitops_status_stale", repository, number, 10, 130);
            let labels = [repo(repository), server(number)];
            it.fires("GitopsStatusSilent", (15, 130), &labels);
        }
        it.fires("GitopsStatusManySilent", (15, 145), &[repo(repository)]);
    }
    it
}

/// Its jobs are hourly, so that its entries turn stale one by one.
fn silent_server() -> Incident {
    let messages = &["GitopsStatusSilent firing", "GitopsStatusServerSilent firing"];
    let mut it = Incident::new("silent-server", messages).with_server();
    for repository in 0..REPOSITORIES {
        let step = 5 * (repository / 2);
        it.entry("gitops_status_stale", repository, 7, 10 + step, 180);
        it.fires("GitopsStatusSilent", (15 + step, 180), &[repo(repository), server(7)]);
        it.entry("gitops_status_stale", repository, 8, 1000, 1000);
    }
    it.fires("GitopsStatusServerSilent", (45, 180), &[server(7)]);
    it
}

/// Somebody rebuilds a server by hand, and its hourly jobs find the drifts one by one.
fn drifted_server() -> Incident {
    let mut it =
        Incident::new("drifted-server", &["GitopsStatusServerDrifted firing"]).with_server();
    for repository in 0..REPOSITORIES {
        let step = 5 * (repository / 2);
        it.entry("gitops_status_drifted", repository, 7, 10 + step, 1000);
        it.fires("GitopsStatusDrifted", (70 + step, END), &[repo(repository), server(7)]);
        it.entry("gitops_status_drifted", repository, 8, 1000, 1000);
    }
    it.fires("GitopsStatusServerDrifted", (70, END), &[server(7)]);
    it
}

/// Three hours without the server; an old drift is one message, before it.
fn outage() -> Incident {
    let messages =
        &["GitopsStatusDrifted firing", "GitopsStatusDown firing", "GitopsStatusDown resolved"];
    let mut it = Incident::new("outage", messages);
    it.add("up", "", "1x20 0x35 1x40");
    it.add("gitops_status_build_info", "", "1x20 stale _x35 1x40");
    it.add("gitops_status_drifted", r#"repo="r1",server="s1""#, "1x20 stale _x35 1x40");
    it.add("gitops_status_stale", r#"repo="r1",server="s1""#, "0x20 stale _x35 0x40");
    it.fires("GitopsStatusDrifted", (60, END), &[repo(1), server(1)]);
    it.fires("GitopsStatusDown", (110, 285), &instance());
    it.begins = 55;
    it
}

fn restart() -> Incident {
    let mut it = Incident::new("restart", &["GitopsStatusDrifted firing"]);
    it.add("up", "", "1x20 0 1x70");
    it.add("gitops_status_build_info", "", "1x20 stale 1x70");
    it.add("gitops_status_drifted", r#"repo="r1",server="s1""#, "1x20 stale 1x70");
    it.fires("GitopsStatusDrifted", (60, END), &[repo(1), server(1)]);
    it.begins = 55;
    it
}

/// Another instance takes over, and the one before is gone.
fn upgrade() -> Incident {
    let mut it = Incident::new("upgrade", &[]);
    let entry = r#"repo="r1",server="s1""#;
    for (metric, before, after) in [
        ("up", "1x20 stale", "_x22 1x70"),
        ("gitops_status_build_info", "1x20 stale", "_x22 1x70"),
        ("gitops_status_writable", "1x20 stale", "_x22 1x70"),
    ] {
        it.add(metric, "", before);
        let (mut series, values) = (it.series.last().unwrap().0.clone(), after.to_owned());
        series = series.replace("instance=\"a\"", "instance=\"b\"");
        it.series.push((series, values));
    }
    it.add("gitops_status_drifted", entry, "0x20 stale _ 0x70");
    it.add("gitops_status_stale", entry, "0x20 stale _ 0x70");
    it
}

/// The new version answers under the same name once it has upgraded the database, five minutes later.
fn upgrade_in_place() -> Incident {
    let mut it = Incident::new("upgrade-in-place", &["GitopsStatusDrifted firing"]);
    it.add("up", "", "1x20 0 1x70");
    it.add("gitops_status_build_info", "version=\"0.1.0\"", "1x20 stale");
    it.add("gitops_status_build_info", "version=\"0.2.0\"", "_x22 1x70");
    it.add("gitops_status_writable", "", "1x20 stale 1x70");
    for (server, drifted, stale) in [("s1", 1, 0), ("s2", 0, 0)] {
        let entry = format!("repo=\"r1\",server=\"{server}\"");
        for (metric, value) in [("gitops_status_drifted", drifted), ("gitops_status_stale", stale)]
        {
            it.add(metric, &entry, &format!("{value}x20 stale {value}x70"));
        }
    }
    it.fires("GitopsStatusDrifted", (60, END), &[repo(1), server(1)]);
    it.begins = 55;
    it
}

/// Every other scrape fails for an hour.
fn network_flap() -> Incident {
    let mut it = Incident::new("network-flap", &[]);
    it.add("up", "", &format!("1x20 {} 1x40", "0 1 ".repeat(6)));
    it.add("gitops_status_build_info", "", &format!("1x20 {} 1x40", "stale 1 ".repeat(6)));
    it.add("gitops_status_drifted", r#"repo="r1",server="s1""#, "0x90");
    it
}

/// A disk of 60 GB fills up and stays full for three hours, in which all reporters fall silent.
fn full_disk() -> Incident {
    let messages = &[
        "GitopsStatusDiskNearlyFull firing",
        "GitopsStatusNotWritable firing",
        "GitopsStatusNotWritable resolved",
    ];
    let mut it = Incident::new("full-disk", messages).with_server();
    // 1 GB an hour until minute 360, and the last 10 GB within the hour after it.
    let free = "16000000000-83000000x72 9100000000-830000000x10 0x36 30000000000x40";
    it.add("gitops_status_disk_free_bytes", "", free);
    it.add("gitops_status_disk_size_bytes", "", "60000000000x200");
    it.add("gitops_status_writable", "", "1x83 0x36 1x40");
    for number in 0..SERVERS {
        let values = format!("0x107 1x{} 0x40", 12 + number % 12);
        it.add("gitops_status_stale", &format!("repo=\"r1\",server=\"s{number}\""), &values);
    }
    it.fires("GitopsStatusDiskNearlyFull", (375, 605), &instance());
    it.fires("GitopsStatusNotWritable", (425, 605), &instance());
    it.begins = 370;
    it
}
