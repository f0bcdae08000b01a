//! The service of systemd: its unit is sound, it is confined, and the program can live in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gitops_status_server::config::{SETTINGS, parse_duration};
use tempfile::TempDir;

use crate::config::run::Run;
use crate::support::{Process, document, report, run_tool, wait_until};

/// A tenth of what `systemd-analyze security` may find exposed: it says 1.2, of 10.
const MOST_EXPOSURE: &str = "13";

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd")
}

/// Returns the values of each key of a unit, in order.
fn values(file: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(unit().join(file)).unwrap();
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty()) {
        let (key, value) = line.split_once('=').unwrap();
        values.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    values
}

/// A folder with the unit, its drop-in, and this build as the program.
fn installed() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let service = fs::read_to_string(unit().join("gitops-status-server.service")).unwrap();
    let program = env!("CARGO_BIN_EXE_gitops-status-server");
    assert!(service.contains("/usr/local/bin/gitops-status-server"));
    let service = service.replace("/usr/local/bin/gitops-status-server", program);
    fs::write(folder.path().join("gitops-status-server.service"), service).unwrap();
    let drop_ins = folder.path().join("gitops-status-server.service.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::copy(unit().join("with-tokens.conf"), drop_ins.join("with-tokens.conf")).unwrap();
    folder
}

#[test]
fn systemd_finds_no_fault_in_the_unit_and_its_drop_in() {
    let folder = installed();
    let service = folder.path().join("gitops-status-server.service");
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).arg(&service).output();
        let output =
            output.expect("systemd-analyze is missing: install the Debian package systemd");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (is_sound, complaints) = analyze(&["verify", "--man=no"]);
    assert!(is_sound && complaints.is_empty(), "{complaints}");
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    let (is_confined, table) = analyze(&["security", "--offline=true", "--no-pager", &threshold]);
    assert!(is_confined && table.contains("exposure level"), "{table}");
}

#[test]
fn every_variable_in_the_unit_is_a_setting_and_it_waits_longer_than_the_program_takes_to_stop() {
    let known: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.variable()).collect();
    let service = values("gitops-status-server.service");
    for (key, values) in service.iter().chain(&values("with-tokens.conf")) {
        for variable in values.iter().filter(|_| key == "Environment").flat_map(|it| it.split(' '))
        {
            let (name, _) = variable.split_once('=').unwrap();
            // The C library has settings of its own.
            let is_known = known.contains(name) || name.starts_with("MALLOC_");
            assert!(is_known, "{name} is no setting");
        }
    }
    let seconds: u64 = service["TimeoutStopSec"][0].parse().unwrap();
    let default = |name: &str| {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).unwrap();
        parse_duration(setting.default).map_or(0, |span| span.as_secs())
    };
    assert!(seconds > default("shutdown_delay") + default("shutdown_grace"));
    // What a restart cannot mend.
    assert_eq!(service["RestartPreventExitStatus"], ["2 65"]);
}

#[test]
fn the_service_keeps_backups_where_it_may_write_and_none_of_postgresql() {
    let service = values("gitops-status-server.service");
    let variables = service["Environment"].iter().map(|it| it.split_once('=').unwrap());
    let variables: Vec<(&str, &str)> = variables.collect();
    let (_, folder) =
        variables.iter().find(|(name, _)| *name == "GITOPS_STATUS_BACKUP_DIR").unwrap();
    // The program creates the last folder of the path.
    let parent = Path::new("/var/lib").join(&service["StateDirectory"][0]);
    assert_eq!(Path::new(folder).parent(), Some(parent.as_path()));
    let checked = |more: &[(&str, &str)]| {
        let all = variables.iter().chain(more);
        all.fold(Run::new(&["check-config"]), |run, (name, value)| run.env(name, value))
    };
    assert!(checked(&[]).checked().0.contains(&format!("backup_dir = \"{folder}\"")));
    let postgres = ("GITOPS_STATUS_DATABASE_URL", "postgres://status@localhost/status");
    checked(&[postgres]).refused(&["GITOPS_STATUS_BACKUP_DIR", "PostgreSQL has tools of its own"]);
    assert!(document("docs/install.md").contains("`GITOPS_STATUS_BACKUP_DIR=`"));
    checked(&[postgres, ("GITOPS_STATUS_BACKUP_DIR", "")]).checked();
}

/// Returns the limit of memory, and the most that a server took with the limits of a folder, in MiB, as
/// docs/operations.md has them.
pub fn measured_memory(folder: &str) -> (i64, i64) {
    let document = document("docs/operations.md");
    let row = document.lines().find(|line| line.starts_with(&format!("| `{folder}` |")));
    let cells: Vec<&str> = row.unwrap().trim_matches('|').split('|').map(str::trim).collect();
    let mib = |cell: &str| {
        let number = cell.strip_suffix(" MiB").unwrap_or_else(|| panic!("{cell}"));
        number.replace(',', "").parse().unwrap()
    };
    (mib(cells[1]), mib(cells[cells.len() - 1]))
}

#[test]
fn a_full_server_that_is_attacked_stays_below_the_memory_of_the_service() {
    let (limit, most) = measured_memory("deploy/systemd");
    assert_eq!(values("gitops-status-server.service")["MemoryMax"], [format!("{}G", limit >> 10)]);
    assert!(most * 10 < limit * 9, "{most} of {limit} MiB");
}

/// Returns the system calls that the unit allows: sets of systemd hold others.
fn allowed() -> BTreeSet<String> {
    let text = run_tool("systemd-analyze", "systemd", &["syscall-filter", "--no-pager"], "");
    let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut set = "";
    for line in text.lines() {
        if line.starts_with('@') {
            set = line;
        } else if line.starts_with("    ") && !line.trim_start().starts_with('#') {
            sets.entry(set).or_default().push(line.trim());
        }
    }
    let filters = &values("gitops-status-server.service")["SystemCallFilter"];
    let mut allowed = BTreeSet::new();
    for filter in filters {
        let mut open = vec![filter.trim_start_matches('~')];
        let mut calls = BTreeSet::new();
        while let Some(name) = open.pop() {
            if name.starts_with('@') {
                open.extend(&sets[name]);
            } else {
                calls.insert(name.to_owned());
            }
        }
        if filter.starts_with('~') {
            allowed.retain(|call| !calls.contains(call));
        } else {
            allowed.extend(calls);
        }
    }
    allowed
}

/// systemd ends a call that is not in the list with an error, which the program would not expect.
#[test]
fn the_program_makes_no_system_call_that_its_service_forbids_and_no_memory_executable() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut command = Command::new("strace");
    // With -D, the program is this test's child, and strace is not.
    command.args(["-D", "-f", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_gitops-status-server"));
    let database = format!("sqlite://{}", folder.path().join("status.db").display());
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--database-url", &database]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut server = Process::run(&mut command);
    for number in 0..20 {
        server.accept(report("repo", &number.to_string(), "OUT_OF_SYNC", &["a"]));
    }
    let paths =
        ["/", "/status.json?repo=a*", "/api/history", "/api/timeline", "/metrics", "/health"];
    for path in paths {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    server.signal("HUP");
    assert!(server.terminate().success());
    let text = || fs::read_to_string(&trace).unwrap();
    wait_until("the trace has its end", || text().contains("+++ exited with 0 +++"));
    let allowed = allowed();
    assert!(allowed.contains("fdatasync") && !allowed.contains("chroot"), "{allowed:?}");
    for line in text().lines() {
        let (_, call) = line.split_once(' ').unwrap();
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        // As root, which the service is not, SQLite gives its files the owner of the database.
        let is_known = name == "fchown" || name.starts_with('<');
        assert!(is_known || allowed.contains(name), "{line}");
        let is_executable = rest.contains("PROT_WRITE|PROT_EXEC")
            || name == "mprotect" && rest.contains("PROT_EXEC");
        assert!(!is_executable, "{line}");
    }
}
