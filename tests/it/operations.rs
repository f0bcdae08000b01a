//! docs/operations.md and docs/alerts.md: whatever goes wrong has its entry, and the commands run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use gitops_status_server::store::Part;

use crate::support::dashboards::{repository, shipped};
use crate::support::{
    Pair, PostgresDatabase, Process, TestApp, commands, document, report, run_tool,
};

/// Returns a chapter of a document.
fn chapter<'a>(document: &'a str, title: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("\n## {title}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// Returns the cells of the rows of a chapter's table.
fn rows(chapter: &str) -> Vec<Vec<&str>> {
    let (_, rows) = chapter.split_once("\n| --- |").unwrap();
    let rows = rows.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn alerts() -> Vec<String> {
    let rules = fs::read_to_string(shipped("prometheus/rules/gitops-status.yml")).unwrap();
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// Whether a text says what to do and what not to do.
fn advises(text: &str) -> bool {
    let [act, refrain] = ["**Do** ", "**Do not** "].map(|words| text.find(words));
    act.is_some() && act < refrain
}

#[test]
fn the_chapter_of_each_alert_says_what_it_means_what_to_do_and_what_not_to_do() {
    let runbook = document("docs/alerts.md");
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in alerts {
        let chapter = chapter(&runbook, &alert);
        assert!(chapter.starts_with("\n**It means** "), "{alert}: {chapter}");
        assert!(advises(chapter), "{alert}: {chapter}");
    }
}

/// Collects the exit statuses that the sources of a folder name.
fn collect_statuses(folder: &Path, found: &mut BTreeSet<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_statuses(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for function in text.split("fn exit_status(&self) -> u8 {").skip(1) {
            let body = function.split("\n    }\n").next().unwrap();
            let words = body.split(|c: char| !c.is_alphanumeric());
            found.extend(words.filter_map(|word| word.parse::<u8>().ok()));
        }
    }
}

#[test]
fn each_exit_status_of_the_program_has_its_row() {
    // Success, and what `main` itself says.
    let mut known = BTreeSet::from([0, 1]);
    collect_statuses(&repository("src"), &mut known);
    assert!(known.len() > 4, "{known:?}");
    let document = document("docs/operations.md");
    let rows = rows(chapter(&document, "Exit status"));
    let listed: Vec<u8> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(listed, Vec::from_iter(known));
    assert!(rows.iter().all(|row| row.len() == 4 && row.iter().all(|cell| !cell.is_empty())));
}

/// Returns what `/health` can say is wrong: the texts in the function that makes its message.
fn faults() -> Vec<String> {
    let source = fs::read_to_string(repository("src/http/health.rs")).unwrap();
    let (_, function) = source.split_once("\nfn message(").unwrap();
    let texts = function.split("\n}\n").next().unwrap().split('"').skip(1).step_by(2);
    let texts = texts.filter(|text| text.contains(' ') && text.contains(char::is_alphabetic));
    let texts = texts.map(|text| text.split(['{', ';']).next().unwrap().trim().to_owned());
    texts.chain(Part::ALL.map(|part| part.meaning().to_owned())).collect()
}

#[test]
fn each_message_of_a_degraded_server_has_its_row() {
    let (operations, alerts) = (document("docs/operations.md"), document("docs/alerts.md"));
    let chapter_of_it = chapter(&operations, "Degraded");
    let mut rows = rows(chapter_of_it);
    let faults = faults();
    assert!(faults.len() > 8, "{faults:?}");
    for fault in faults {
        if fault == "updates go on" {
            // The end of every other message.
            assert!(chapter_of_it.contains("`updates go on; see the server's log`"));
            continue;
        }
        let place = rows.iter().position(|row| row[0].starts_with(&format!("`{fault}")));
        let row = rows.remove(place.unwrap_or_else(|| panic!("no row has {fault:?}")));
        let [_, meaning, advice] = row[..] else { panic!("{row:?}") };
        assert!(!meaning.is_empty());
        let links = advice.split("(alerts.md#").skip(1).map(|rest| rest.split(')').next().unwrap());
        let advising = links.filter(|link| {
            let mut chapters = alerts.split("\n## ").skip(1);
            let is_it = |text: &&str| text.lines().next().unwrap().to_lowercase() == **link;
            chapters.find(is_it).is_some_and(advises)
        });
        assert!(advising.count() == 1 || advice.contains("**Do not** "), "{row:?}");
    }
    assert!(rows.is_empty(), "no server says {rows:?}");
}

/// Runs a command of a document in a folder, and returns what it prints.
fn run(folder: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_gitops-status-server")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env_clear().stdin(Stdio::null());
    let output =
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.display())).output().unwrap();
    let [said, complained] =
        [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!(output.status.success(), "{command}: {said}{complained}");
    said
}

/// Returns the line of a log that the document shows, without its time.
fn line_of_log() -> String {
    let text = document("docs/operations.md");
    let line = text.split("```json\n").nth(1).unwrap().lines().next().unwrap();
    let (_, rest) = line.split_once("\"time\":\"2026-04-21T10:32:15.123Z\"").unwrap();
    rest.to_owned()
}

#[test]
fn the_commands_of_the_document_do_what_it_says() {
    for tool in ["curl", "jq"] {
        run_tool(tool, tool, &["--version"], "");
    }
    let folder = tempfile::tempdir().unwrap();
    let (folder, database) = (folder.path(), PostgresDatabase::create());
    let commands: Vec<String> =
        commands(&document("docs/operations.md")).into_iter().map(|shown| shown.command).collect();
    let [health, complaints, export, import] = &commands[..] else { panic!("{commands:?}") };

    let mut command =
        Process::command_on(&format!("sqlite://{}/gitops-status.db", folder.display()));
    let command = command.arg("--log-format=json").env("RUST_LOG", "wrong=very");
    let mut server = Process::run(command);
    server.accept(report("rsyslog", "rsyslog-lab", "OUT_OF_SYNC", &["a", "b"]));
    let here = health.replace("localhost:8080", &server.address.to_string());
    assert_eq!(run(folder, &here), "null\n", "it is healthy");
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log().contains(&line_of_log()), "{}", server.log());
    fs::write(folder.join("server.log"), server.log()).unwrap();
    let said = run(folder, complaints);
    assert!(
        said.lines().count() == 1 && said.contains("Z RUST_LOG is invalid and ignored"),
        "{said}"
    );

    run(folder, export);
    let url = "postgres://status@db1/status";
    assert!(import.contains(url), "{import}");
    run(folder, &import.replace(url, &format!("'{}'", database.url())));
    assert_eq!(database.stored("select server from entries"), ["rsyslog-lab"]);
}

/// Other tests run the commands that keep another label, compact a database, and find its readers.
#[test]
fn the_commands_of_the_runbook_put_its_addresses_into_the_rules_and_read_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("gitops-status.yml");
    fs::copy(shipped("prometheus/rules/gitops-status.yml"), &rules).unwrap();
    let runbook = document("docs/alerts.md");
    let (_, install) = runbook.split_once("\n## Install\n").unwrap();
    let commands = commands(install.split("\n## ").next().unwrap());
    assert_eq!(commands.len(), 2);
    for shown in commands {
        run(folder.path(), &shown.command);
    }
    let rules = fs::read_to_string(rules).unwrap();
    // The comment at its beginning explains them.
    let (_, rules) = rules.split_once("\ngroups:\n").unwrap();
    assert!(!rules.contains("//git.example/") && !rules.contains("//gitops-status.example/"));
    assert!(rules.contains("blob/main/docs/alerts.md#gitopsstatusdown"));

    let pair = Pair::valid_until("status.example", 2147);
    fs::copy(pair.certificate_file(), folder.path().join("tls.crt")).unwrap();
    let command = runbook.split('`').find(|code| code.starts_with("openssl ")).unwrap();
    assert!(run(folder.path(), command).contains("2147"));
}

#[test]
fn the_paths_and_metrics_of_the_runbook_exist() {
    let app = TestApp::spawn();
    app.accept(report("R", "S", "OUT_OF_SYNC", &["F"]));
    let known = document("docs/metrics.md");
    let runbook = document("docs/operations.md") + &document("docs/alerts.md");
    let (mut paths, mut removals) = (BTreeSet::new(), 0);
    for code in runbook.split('`').skip(1).step_by(2) {
        let is_path = ["/api/", "/entry", "/health", "/livez", "/metrics", "/readyz", "/status"];
        if is_path.iter().any(|start| code.starts_with(start)) {
            paths.insert(code);
        }
        removals += usize::from(code == "DELETE /api/status?repo=R&server=S");
        if code.starts_with("gitops_status_") {
            let name = code.split('{').next().unwrap();
            assert!(known.contains(&format!("`{name}`")), "docs/metrics.md has no {name}");
        }
    }
    assert!(paths.len() > 8 && removals > 0, "{paths:?}");
    for path in paths.into_iter().filter(|path| *path != "/api/events") {
        assert_eq!(app.get(path).status, 200, "{path}");
    }
    assert_eq!(app.send("DELETE", "/api/status?repo=R&server=S", &[], b"").status, 200);
}
