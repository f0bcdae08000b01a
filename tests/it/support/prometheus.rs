//! A real Prometheus.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::process::{Running, spawn};
use super::{run_tool, wait_until};

/// A running Prometheus on a port of its own; it is killed when this is dropped.
pub struct Prometheus {
    address: SocketAddr,
    _child: Running,
}

impl Prometheus {
    /// Starts Prometheus with a configuration and a folder for its data.
    pub fn start(configuration: &Path, data: &Path) -> Self {
        run_tool("prometheus", "prometheus", &["--version"], "");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.tsdb.path={}", data.display()));
        command.arg("--web.listen-address=127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (child, log, reader) = spawn(&mut command);
        wait_until("Prometheus is ready or ends", || {
            let log = log.lock().unwrap();
            let is_ready = log.contains("ready to receive web requests");
            is_ready && address_in(&log).is_some() || reader.is_finished()
        });
        let log = log.lock().unwrap();
        let address = address_in(&log).unwrap_or_else(|| panic!("no Prometheus: {log}"));
        Self { address, _child: child }
    }

    /// Evaluates an expression and returns the value of every series.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let url = format!("http://{}", self.address);
        let tool = ["query", "instant", "--format=json", &url, expression];
        let output = run_tool("promtool", "prometheus", &tool, "");
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{expression}: {output}"))
    }

    /// Returns every rule with the result of its last evaluation.
    pub fn rules(&self) -> Vec<Value> {
        let url = format!("http://{}/api/v1/rules", self.address);
        let output = run_tool("curl", "curl", &["-fsS", &url], "");
        let answer: Value = serde_json::from_str(&output).unwrap();
        let groups = answer["data"]["groups"].as_array().unwrap();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).cloned().collect()
    }
}

/// Finds the listening address in the output of Prometheus or Alertmanager.
pub(super) fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(r#"msg="Listening on" address="#)?;
    rest.split_whitespace().next()?.parse().ok()
}
