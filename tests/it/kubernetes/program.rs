//! The program takes the environment and the files of each overlay, and answers its probes.

use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
use toml::Table;

use super::pod::Pod;
use super::rendered::{Copied, Rendered, items, succeed};
use crate::support::{
    Client, Minted, PASSWORD, PostgresDatabase, Process, Reply, commands, document, report,
    wait_until,
};
use crate::systemd::measured_memory;

/// The address that reporters and Grafana know.
const HOST: &str = "gitops-status-server.observability-stack.svc.cluster.local:80";

/// Runs `check-config` as the pod would, and returns its output.
fn checked(pod: &Pod) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().envs(&pod.environment).arg("check-config");
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The program ignores variables that it does not know, so a misspelt one would be silent.
#[test]
fn every_variable_is_a_setting_and_every_file_is_accepted() {
    for rendered in Rendered::every() {
        let pod = Pod::of(rendered);
        let said = checked(&pod);
        // One names the file, and the C library has settings of its own.
        let is_setting =
            |name: &&String| *name != "GITOPS_STATUS_CONFIG" && !name.starts_with("MALLOC_");
        for name in pod.environment.keys().filter(is_setting) {
            let origin = format!("# environment {name}\n");
            assert!(said.contains(&origin), "{}: {name} is no setting: {said}", rendered.name);
        }
        assert!(said.contains("config.toml line"), "{}: no settings of the file", rendered.name);
        assert!(rendered.container().get("args").is_none());
        assert!(rendered.container().get("command").is_none());
        let is_anonymous = rendered.has("anonymous");
        let settings: Table = said.parse().unwrap();
        assert_eq!(settings["allow_anonymous_writes"].as_bool(), Some(is_anonymous));
        assert_eq!(settings["tokens_file"].as_str() == Some(""), is_anonymous);
    }
}

/// A duration of the settings in seconds.
fn seconds(settings: &Table, name: &str) -> u64 {
    let text = settings[name].as_str().unwrap();
    text.strip_suffix('s').unwrap_or_else(|| panic!("{name} = {text}")).parse().unwrap()
}

#[test]
fn the_kubelet_waits_for_longer_than_a_stop_takes() {
    for rendered in Rendered::every() {
        let settings: Table = checked(&Pod::of(rendered)).parse().unwrap();
        let stop = seconds(&settings, "shutdown_delay") + seconds(&settings, "shutdown_grace");
        let patience = &rendered.pod()["spec"]["terminationGracePeriodSeconds"];
        assert!(patience.as_u64().unwrap() > stop, "{}: {stop} s", rendered.name);
        assert!(seconds(&settings, "shutdown_delay") >= 5, "{}", rendered.name);
    }
}

/// A size such as `2Gi` in bytes.
fn bytes(size: &Value) -> i64 {
    let size = size.as_str().unwrap();
    let (number, unit) = size.split_at(size.find(|c: char| !c.is_ascii_digit()).unwrap());
    let shift = match unit {
        "Mi" => 20,
        "Gi" => 30,
        other => panic!("this test knows no unit {other}"),
    };
    number.parse::<i64>().unwrap() << shift
}

/// docs/operations.md has the measurement of the memory.
#[test]
fn the_limits_of_the_settings_fit_the_memory_and_the_volume() {
    let rendered = Rendered::of("base");
    let settings: Table = checked(&Pod::of(&rendered)).parse().unwrap();
    let limit = |name: &str| settings[name].as_integer().unwrap();
    let memory = bytes(&rendered.container()["resources"]["limits"]["memory"]) >> 20;
    let (measured_with, most) = measured_memory("deploy/kubernetes/base");
    assert_eq!(memory, measured_with);
    assert!(most * 10 < memory * 9, "{most} of {memory} MiB");
    assert!(document("docs/kubernetes.md").contains(&format!("took at most {most} MiB")));
    let claims = items(&rendered.workload()["spec"]["volumeClaimTemplates"]);
    let volume = |name: &str| {
        let claim = claims.iter().find(|claim| claim["metadata"]["name"] == name).unwrap();
        bytes(&claim["spec"]["resources"]["requests"]["storage"])
    };
    // The rest is for the logs, for free pages, and for a copy of everything.
    let data = limit("history_max_bytes") + 2 * limit("max_stored_bytes");
    assert!(volume("data") > 4 * data, "{} for {data}", volume("data"));
    // The oldest backup is removed only after the next one, which leaves 64 MiB free; the file system takes
    // some per cent.
    let backups = (limit("backup_keep") + 1) * data + (64 << 20);
    assert!(volume("backups") * 9 / 10 > backups, "{} for {backups}", volume("backups"));
    assert_eq!(settings["workers"].as_integer(), Some(2));
}

/// Asks at the paths of the probes.
fn probes(rendered: &Rendered, admin: &Client) -> [u16; 3] {
    ["startupProbe", "livenessProbe", "readinessProbe"].map(|probe| {
        let asked = &rendered.container()[probe]["httpGet"];
        assert_eq!(asked["port"], "admin");
        admin.get(asked["path"].as_str().unwrap()).status
    })
}

#[test]
fn the_program_that_is_started_as_the_pod_answers_its_probes_and_the_original_request() {
    let databases = [PostgresDatabase::create(), PostgresDatabase::create()];
    // The file of the pod has the password.
    let password = format!(":{}@", PASSWORD.replace(' ', "%20"));
    let [url, other] = databases.each_ref().map(|it| it.url().replace(&password, "@"));
    thread::scope(|scope| {
        for rendered in Rendered::every() {
            let database = match rendered.name.as_str() {
                "base" | "overlays/anonymous" => None,
                "overlays/postgres" => Some(&url),
                "anonymous+postgres" => Some(&other),
                _ => continue,
            };
            let mut pod = Pod::of(rendered);
            if let Some(url) = database {
                pod.set("GITOPS_STATUS_DATABASE_URL", url);
            }
            scope.spawn(move || starts_and_stops(rendered, pod));
        }
    });
}

/// Starts the program as a pod, reports with and without a token, and stops it.
fn starts_and_stops(rendered: &Rendered, pod: Pod) {
    let name = &rendered.name;
    for (variable, port) in
        [("GITOPS_STATUS_LISTEN", "http"), ("GITOPS_STATUS_ADMIN_LISTEN", "admin")]
    {
        let ports = items(&rendered.container()["ports"]);
        let port = ports.iter().find(|it| it["name"] == port).unwrap();
        let address = format!("0.0.0.0:{}", port["containerPort"]);
        assert_eq!(pod.environment[variable], address, "{name}");
    }
    let pod = pod.on_free_ports();
    let mut server = Process::run(&mut pod.command());
    let admin = server.admin();
    assert_eq!(probes(rendered, &admin), [200, 200, 200], "{name}");
    let bearer = pod.token.bearer();
    let plain = [("Host", HOST), ("Content-Type", "application/json")];
    let with_token = [plain[0], plain[1], ("Authorization", bearer.as_str())];
    let body = report("rsyslog", "lab", "SYNCED", &[]);
    let send =
        |headers: &[(&str, &str)]| raw(&server, "POST", "/api/status", headers, &body).status;
    let is_anonymous = rendered.has("anonymous");
    assert_eq!(send(&plain), if is_anonymous { 200 } else { 401 }, "{name}");
    assert_eq!(send(&with_token), 200, "{name}");
    let removed = raw(&server, "DELETE", "/api/status?repo=rsyslog&server=lab", &plain, "");
    assert_eq!(removed.status, if is_anonymous { 403 } else { 401 }, "{name}");
    assert_eq!(server.names(""), ["rsyslog/lab"]);

    server.signal("TERM");
    wait_until("it is unready", || probes(rendered, &admin) == [200, 200, 503]);
    assert_eq!(server.wait().code(), Some(0), "{name}");
}

/// Sends a request with exactly these headers.
fn raw(client: &Client, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\n{lines}Content-Length: {length}\r\n\r\n");
    client.raw((head + body).as_bytes()).unwrap()
}

/// docs/migrating.md changes the settings by this command, for a fleet that moves to tokens.
#[test]
fn the_settings_of_a_move_to_tokens_take_reports_with_and_without_one_and_allow_backups() {
    let shown = commands(&document("docs/migrating.md"));
    let change = shown.iter().find(|it| it.command.contains("allow_anonymous_writes")).unwrap();
    let copy = Copied::new();
    succeed(Command::new("bash").args(["-c", &change.command]).current_dir(copy.root()), b"");
    let pod = Pod::of(&Rendered::of_folder("base", &copy.folder("base"))).on_free_ports();
    let backup = Minted::new(&["--id", "backup", "--backup"]);
    Minted::file(&pod.root().join("etc/gitops-status/tokens"), &[&pod.token, &backup]);
    let server = Process::run(&mut pod.command());
    let [first, backup] = [&pod.token, &backup].map(Minted::bearer);
    let plain = [("Host", HOST), ("Content-Type", "application/json")];
    let with_token = [plain[0], plain[1], ("Authorization", first.as_str())];
    for headers in [&plain[..], &with_token] {
        let body = report("rsyslog", "lab", "SYNCED", &[]);
        assert_eq!(raw(&server, "POST", "/api/status", headers, &body).status, 200);
    }
    let remove = |headers: &[(&str, &str)]| {
        raw(&server, "DELETE", "/api/status?repo=rsyslog&server=lab", headers, "").status
    };
    assert_eq!([remove(&plain), remove(&with_token)], [401, 200]);
    let for_backup = [plain[0], ("Authorization", backup.as_str())];
    assert_eq!(raw(&server, "GET", "/api/backup", &for_backup, "").status, 200);
}

#[test]
fn the_address_in_links_is_that_of_the_ingress() {
    let rendered = Rendered::of("overlays/ingress-tls");
    let spec = &rendered.all("Ingress")[0]["spec"];
    let host = spec["rules"][0]["host"].as_str().unwrap();
    assert_eq!(spec["tls"][0]["hosts"], serde_json::json!([host]));
    let settings: Table = checked(&Pod::of(&rendered)).parse().unwrap();
    assert_eq!(settings["external_url"].as_str(), Some(&*format!("https://{host}")));
}
