//! The commands of docs/backup.md, and the drill of docs/operations.md.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::assert_whole;
use super::kit::{Machine, Place, mode, run};
use crate::config::run::Run;
use crate::support::{Minted, Process, console_blocks, document, report, wait_until};

fn documented(name: &str, word: &str) -> Vec<Vec<String>> {
    let blocks = console_blocks(&document(name), word);
    blocks.into_iter().map(|block| block.into_iter().map(|it| it.command).collect()).collect()
}

/// What stands before the arguments of the program in a container.
const CONTAINER: &str =
    "docker run --rm --interactive --volumes-from gitops-status gitops-status-server ";

#[test]
fn the_commands_that_restore_a_backup_restore_the_database_of_the_server() {
    let backup = documented("docs/backup.md", "backup").remove(0).remove(0);
    let blocks = documented("docs/backup.md", "restore");
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    // The variable that the image has.
    let variable = "GITOPS_STATUS_DATABASE_URL=sqlite:///var/lib/gitops-status/gitops-status.db";
    assert!(document("Dockerfile").contains(variable));
    for block in blocks {
        let machine = Machine::new();
        let mut server = machine.start();
        server.accept(report("nginx", "in-time", "OUT_OF_SYNC", &["nginx.conf"]));
        let said = machine.run(&backup, &server);
        assert!(said.ends_with("bytes, whole and checked\n"), "{said}");
        server.accept(report("nginx", "too-late", "SYNCED", &[]));
        let [stop, restore, start] = &block[..] else { panic!("{block:?}") };
        assert!(stop.contains(" stop gitops-status"), "{stop}");
        assert_eq!(server.terminate().code(), Some(0));
        let by_program = format!("{variable} gitops-status-server ");
        let said = machine.run(&restore.replace(CONTAINER, &by_program), &server);
        assert!(said.contains("gitops-status.db was restored from "), "{said}");
        assert_eq!(start, &stop.replace(" stop ", " start "));
        let server = machine.start();
        assert_eq!(server.names(""), ["nginx/in-time"]);
        let owner = fs::metadata(machine.database()).unwrap().uid();
        assert_eq!(Some(owner), machine.user.or(Some(owner)));
        let files = fs::read_dir(machine.file("shell")).unwrap();
        assert_eq!(files.count(), 1, "nothing else than the backup is in the folder of the shell");
    }
}

#[test]
fn backups_are_copied_to_another_disk_once_they_are_whole() {
    let machine = Machine::new();
    let server = machine.start();
    let [folder, elsewhere] = ["data/backups", "elsewhere"].map(|name| machine.file(name));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    let name = "gitops-status-20260421T103225Z.db";
    fs::write(folder.join(name), "whole").unwrap();
    fs::write(folder.join("gitops-status-20260421T113225Z.db.unfinished"), "half").unwrap();
    let command = documented("docs/backup.md", "copy").remove(0).remove(0);
    for _ in 0..2 {
        machine.run(&command, &server);
        let copied: Vec<_> =
            fs::read_dir(&elsewhere).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(copied, [name]);
    }
}

#[test]
fn a_job_without_the_program_downloads_a_backup_and_keeps_the_one_before_if_it_is_refused() {
    let place = Place::new();
    let right = Minted::new(&["--id=backup", "--backup"]);
    let wrong = Minted::new(&["--id=reader", "--read"]);
    let tokens = Minted::file(place.folder.path(), &[&right, &wrong]);
    let server = Process::start(&place.database, &["--tokens-file", &tokens]);
    let text = document("docs/backup.md");
    let script = text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(script.contains("https://status.example/"), "{script}");
    let script = script.replace("https://status.example", &format!("http://{}", server.address));
    let job = |token: &Minted| {
        fs::write(place.file("backup.token"), format!("{}\n", token.token)).unwrap();
        run(Command::new("sh").args(["-c", &script]).current_dir(place.folder.path()))
    };
    let (status, said) = job(&right);
    assert_eq!(status, Some(0), "{said}");
    let copy = place.file("status-backup.db");
    assert_whole(&copy);
    assert_eq!(mode(&copy), 0o600, "only its owner may read it");
    let before = fs::read(&copy).unwrap();
    let (status, said) = job(&wrong);
    assert_ne!(status, Some(0), "{said}");
    assert!(fs::read(&copy).unwrap() == before);
}

#[test]
fn the_drill_runs_as_it_is_written() {
    let machine = Machine::new();
    let server = machine.start();
    server.accept(report("nginx", "web-1", "SYNCED", &[]));
    server.accept(report("nginx", "web-1", "OUT_OF_SYNC", &["nginx.conf"]));
    let commands = documented("docs/operations.md", "drill").remove(0);
    assert!((2..=5).contains(&commands.len()), "{commands:?}");
    let said: Vec<String> = commands.iter().map(|it| machine.run(it, &server)).collect();
    let found = |said: &str| said.split(" at revision ").nth(1).unwrap().to_owned();
    assert_eq!(found(&said[1]), found(&said[3]), "{said:?}");
    assert_eq!(fs::read_dir(machine.file("shell")).unwrap().count(), 0, "it leaves nothing");
    wait_until("the server goes on", || server.get("/livez").status == 200);
}

#[test]
fn a_command_that_fills_a_database_has_to_be_told_which() {
    for words in [["restore", "status-backup.db"], ["import", "gitops-status.jsonl"]] {
        let said = ["database_url: is not set", "--database-url or GITOPS_STATUS_DATABASE_URL"];
        Run::new(&words).refused(&said);
        let file = "database_url = \"sqlite://here.db\"\n";
        let outcome = Run::new(&words).file("a.toml", file).word("--config=a.toml").finish();
        assert_eq!(outcome.status, Some(74), "there is no such backup: {}", outcome.err);
    }
}
