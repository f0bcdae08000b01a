//! Updates that are stored without a wrong field or with another schedule, and answered with a
//! warning.

use serde_json::{Value, json};

use crate::support::{Process, TestApp, report, wait_until};

#[test]
fn a_wrong_revision_or_url_does_not_lose_the_report() {
    let app = TestApp::spawn();
    let url = |length: usize| json!(format!("https://{}", "x".repeat(length - 8)));
    for (number, (field, value)) in [
        ("revision", json!("x".repeat(256))),
        ("revision", json!("a\tb")),
        ("revision", json!(7)),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("https://a b")),
        ("url", url(2049)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body: Value = serde_json::from_str(&report("r", "s", "SYNCED", &[])).unwrap();
        (body["revision"], body["url"]) = (json!("v1"), json!("https://ci.example/1"));
        (body["drift_count"], body[field]) = (json!(number), value);
        let answer = app.post(body.to_string()).json();
        assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
        let warnings = answer["warnings"].as_array().unwrap();
        let start = format!("{field}: not stored, since it must be ");
        assert!(
            warnings.len() == 1 && warnings[0].as_str().unwrap().starts_with(&start),
            "{answer}"
        );
        let row = app.list("").remove(0);
        assert_eq!((&row["drift_count"], &row[field]), (&json!(number), &Value::Null));
        assert!(row["revision"].is_string() || row["url"].is_string(), "the other one is kept");
    }
    let metrics = app.get("/metrics").text();
    for field in ["revision", "url"] {
        let counted = format!("gitops_status_update_warnings_total{{field=\"{field}\"}} 3\n");
        assert!(metrics.contains(&counted), "{field}");
    }
}

#[test]
fn a_time_to_live_that_is_not_above_the_time_to_be_stale_is_a_warning() {
    let app = TestApp::spawn();
    let answer = |schedule: Value| {
        let mut body: Value = serde_json::from_str(&report("r", "s", "SYNCED", &[])).unwrap();
        body.as_object_mut().unwrap().extend(schedule.as_object().unwrap().clone());
        app.post(body.to_string()).json()
    };
    for (schedule, from, to) in [
        (json!({"stale_after_seconds": 3600, "ttl_seconds": 60}), "3600 s", "30 s"),
        (json!({"stale_after_seconds": 60, "ttl_seconds": 60}), "60 s", "30 s"),
        (json!({"ttl_seconds": 7200}), "7200 s", "3600 s"),
        (json!({"stale_after_seconds": 0, "ttl_seconds": 1}), "never", "0.5 s"),
    ] {
        let warning = format!(
            "ttl_seconds: not above stale_after ({from}), so the entry is stale after {to}, half of ttl_seconds"
        );
        let message = "Status updated successfully";
        let expected = json!({"status": "ok", "message": message, "warnings": [warning]});
        assert_eq!(answer(schedule), expected);
    }
    for schedule in [
        json!({}),
        json!({"ttl_seconds": 7201}),
        json!({"ttl_seconds": 0}),
        json!({"stale_after_seconds": 1_000_000}),
        json!({"stale_after_seconds": 0}),
        json!({"stale_after_seconds": 59, "ttl_seconds": 60}),
    ] {
        assert_eq!(answer(schedule.clone()).get("warnings"), None, "{schedule}");
    }
    let counted = "gitops_status_update_warnings_total{field=\"ttl_seconds\"} 4\n";
    assert!(app.get("/metrics").text().contains(counted));
}

#[test]
fn a_wrong_template_of_a_job_is_a_warning_a_minute_in_the_log_and_none_if_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), &["--max-entries=21"]);
    let post = |repo: &str, name: usize| {
        let name = format!("s{name}");
        let mut body: Value = serde_json::from_str(&report(repo, &name, "SYNCED", &[])).unwrap();
        body["url"] = json!("//actions/runs/");
        server.post(body.to_string())
    };
    for name in 0..20 {
        assert_eq!(post("noisy", name).json()["warnings"].as_array().unwrap().len(), 1);
    }
    assert_eq!(post("quiet", 0).status, 200);
    post("full", 0).error(507);
    server.accept(report("noisy", "s1", "OUT_OF_SYNC", &[]));
    wait_until("all is logged", || server.log().contains("noisy:s1 -> OUT_OF_SYNC"));
    let log = server.log();
    assert!(log.contains("WARN ] Update of noisy:s0: url: not stored"), "{log}");
    assert!(log.contains("WARN ] Update of quiet:s0: url: not stored"), "{log}");
    assert_eq!(log.matches("WARN ] Update of ").count(), 2, "{log}");
}

#[test]
fn a_field_that_was_left_out_is_logged_with_its_entry_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("status.db"), &[""; 0]);
    let mut body: Value = serde_json::from_str(&report("r", "s\u{202e}", "SYNCED", &[])).unwrap();
    (body["revision"], body["url"]) = (json!(7), json!("//actions/runs/"));
    assert_eq!(server.post(body.to_string()).json()["warnings"].as_array().unwrap().len(), 2);
    (body["revision"], body["url"]) = (json!(""), json!(null));
    assert_eq!(server.post(body.to_string()).json().get("warnings"), None, "both are absent");
    for reason in [
        "revision: not stored, since it must be a string of 1 to 255",
        "url: not stored, since it must be an http or https URL",
    ] {
        let line = format!("WARN ] Update of r:s\\u{{202e}}: {reason}");
        wait_until(&line, || server.log().matches(&line).count() == 1);
    }
}
