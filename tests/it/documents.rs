//! The documents agree with the program.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::TestApp;

fn document(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the commands in a document's console blocks, each with its output.
fn console(text: &str) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::new();
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            shown.push((command.to_owned(), String::new()));
            continue;
        }
        let (command, output) = shown.last_mut().unwrap();
        if command.ends_with('\\') {
            command.pop();
            command.push_str(line.trim_start());
        } else {
            output.push_str(line);
        }
    }
    shown
}

/// Blanks out the server's times, which differ in each run.
fn without_times(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let rows = match &mut value {
        Value::Array(rows) => rows.iter_mut().collect(),
        Value::Object(page) if page.contains_key("items") => {
            page["items"].as_array_mut().unwrap().iter_mut().collect()
        }
        other => vec![other],
    };
    for row in rows {
        for time in
            ["time", "updated_at", "status_since", "expires_at", "drifted_since", "timestamp"]
        {
            if let Some(time) = row.get_mut(time) {
                assert!(time.as_str().unwrap().ends_with('Z'));
                *time = Value::Null;
            }
        }
    }
    value
}

#[test]
fn the_readmes_curl_lines_print_what_the_readme_shows() {
    let app = TestApp::spawn();
    let mut seen = 0;
    for (command, output) in console(&document("README.md")) {
        if !command.starts_with("curl") {
            continue;
        }
        let here = command.replace("localhost:8080", &app.client.address.to_string());
        let ran = Command::new("sh").arg("-c").arg(here + " -sS").output().unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(without_times(&printed), without_times(&output), "{command}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn the_readme_lists_every_setting_at_its_default() {
    let readme = document("README.md");
    for setting in gitops_status_server::config::SETTINGS {
        let row = format!("| `--{}` | `{}` |", setting.long(), setting.default);
        assert!(readme.contains(&row), "README.md lacks {row}");
    }
}

#[test]
fn the_description_of_the_api_names_every_parameter_and_column() {
    let text = document("docs/api.md");
    let app = TestApp::spawn();
    for path in ["/status.json", "/api/history", "/api/timeline"] {
        let message = app.get(&format!("{path}?nothing=1")).error(400);
        let (_, known) = message.split_once("known are ").unwrap();
        for parameter in known.split(", ").flat_map(|part| part.split(" and ")) {
            assert!(text.contains(&format!("`{parameter}`")), "docs/api.md lacks {parameter}");
        }
    }
    let header = app.get("/status.csv").text();
    for column in header.trim_end().split(',') {
        assert!(text.contains(&format!("`{column}`")), "docs/api.md lacks {column}");
    }
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = document("ARCHITECTURE.md");
    for name in text.split('`').skip(1).step_by(2) {
        let is_file = [".rs", ".html", ".js", ".md", ".json"].iter().any(|end| name.ends_with(end));
        let exists = root.join(name).exists() || root.join("src").join(name).exists();
        assert!(exists || !is_file || !name.contains('/'), "ARCHITECTURE.md names {name}");
    }
}
