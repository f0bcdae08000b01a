//! The `[[schedule]]` tables of the settings file.

use super::run::Run;

const TABLES: &str = r#"
ttl = "9d"

[[schedule]]  # nightly
repo = "backup-*"
stale_after = "30h"

[[schedule]]
server = ["lab-1", "lab-2"]
stale_after = 0

[[schedule]]
repo = "a,b"
server = "web-*"
stale_after = "20d"

[[schedule]]
ttl = "1h"
"#;

#[test]
fn check_config_prints_each_schedule_with_its_effect_and_can_read_it_again() {
    let (text, table) =
        Run::new(&["check-config", "--config=a.toml"]).file("a.toml", TABLES).checked();
    for line in [
        "\n[[schedule]]  # a.toml line 4 schedule 1: stale after 30h, expired after 9d\n\
         repo = \"backup-*\"\nstale_after = \"30h\"\n",
        "[[schedule]]  # a.toml line 8 schedule 2: never stale, never expired\n\
         server = [\"lab-1\", \"lab-2\"]\nstale_after = \"0\"\n",
        "schedule 3: stale after 20d, expired after 40d\n\
         repo = \"a,b\"\nserver = \"web-*\"\nstale_after = \"20d\"\n",
        "schedule 4: stale after 30m, expired after 1h\nttl = \"1h\"\n",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    let (again, same) =
        Run::new(&["check-config", "--config=b.toml"]).file("b.toml", &text).checked();
    assert_eq!(table, same);
    assert!(again.contains("# b.toml line "), "{again}");
}

#[test]
fn a_schedule_that_is_not_accepted_stops_the_start_in_one_line_that_names_it() {
    let before = "[[schedule]]\nrepo = \"x\"\nttl = \"9d\"\n\n[[schedule]]\n";
    for (second, reason) in [
        ("", "expected stale_after, ttl or both"),
        ("repo = 'a'", "expected stale_after, ttl or both"),
        ("stale = '1h'", "unknown key \"stale\"; known keys: repo, server, stale_after, ttl"),
        ("stale-after = '1h'", "(did you mean stale_after?)"),
        ("servers = 'a'\nttl = '9d'", "(did you mean server?)"),
        ("stale_after = '1 hour'", "stale_after \"1 hour\": expected a whole number with a unit"),
        ("stale_after = 3600", "stale_after \"3600\": expected a whole number with a unit"),
        ("ttl = true", "ttl expected a duration in quotes, such as \"30h\", or 0, not a boolean"),
        ("ttl = '3651d'", "ttl \"3651d\": expected at most 3650d"),
        (
            "ttl = '1h'\nstale_after = '60m'",
            "ttl \"1h\": ttl must be above stale_after, which is 1h; 0 turns either off",
        ),
        ("ttl = '9d'\nrepo = ''", "repo is empty; \"*\" matches every name"),
        ("ttl = '9d'\nserver = []", "server is empty; \"*\" matches every name"),
        ("ttl = '9d'\nserver = ','", "server is empty; \"*\" matches every name"),
        ("ttl = '9d'\nserver = 7", "server expected a string in quotes or an array of them, not a"),
        ("ttl = '9d'\nserver = ['a', 7]", "expected a string in quotes or an array of them"),
        ("ttl = '9d'\nrepo = 'a, b'", "repo \" b\": no name has control characters, or white"),
        ("ttl = '9d'\nrepo = \"a\\tb\"", "repo \"a\\tb\": no name has control characters"),
    ] {
        let file = format!("{before}{second}\n");
        Run::new(&["--config=a.toml"])
            .file("a.toml", &file)
            .refused(&["a.toml line 5 schedule 2: ", reason]);
    }
    for (file, reason) in [
        ("[schedule]\nttl = '9d'", "a.toml line 1 key schedule: expected tables, each under"),
        ("schedule = 'x'", "each under [[schedule]], not a string"),
        ("schedule = [1]", "each under [[schedule]], not a number"),
        ("[[schedules]]\nttl = '9d'", "unknown key \"schedules\" (did you mean schedule?)"),
    ] {
        Run::new(&["--config=a.toml"]).file("a.toml", file).refused(&[reason]);
    }
    let many = "[[schedule]]\nttl = '9d'\n".repeat(1001);
    Run::new(&["--config=a.toml"])
        .file("a.toml", &many)
        .refused(&["schedule 1001: expected at most 1000 schedules"]);
}

#[test]
fn schedules_are_in_the_file_only() {
    let (text, _) = Run::new(&["check-config"]).env("GITOPS_STATUS_SCHEDULE", "x").checked();
    assert!(!text.contains("schedule"), "{text}");
    let outcome = Run::new(&["--schedule=x"]).finish();
    assert_eq!(outcome.status, Some(2), "{}", outcome.err);
}
