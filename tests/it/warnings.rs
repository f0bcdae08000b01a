//! Updates that are stored without a wrong field, and answered with a warning.

use serde_json::{Value, json};

use crate::support::{TestApp, report};

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
