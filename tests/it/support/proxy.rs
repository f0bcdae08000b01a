//! Real proxies in front of a server.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::{Running, spawn};
use super::{Client, free_address, wait_until};

/// The main configuration of nginx around the files of `/etc/nginx/conf.d`, with every file that nginx
/// writes in one folder.
const NGINX: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    include FOLDER/site.conf;
}
";

/// A running proxy on a port of its own; it is killed when this is dropped.
pub struct Proxy {
    pub client: Client,
    _child: Running,
    _folder: TempDir,
}

impl Proxy {
    /// Starts nginx with a file of its folder `conf.d`. The file has port 80 and the server
    /// 127.0.0.1:8080, which are replaced.
    pub fn nginx(site: &str, server: SocketAddr) -> Self {
        Self::nginx_before(&placed(site, "127.0.0.1:8080", &server))
    }

    /// Starts nginx with a file that names its servers. Port 80 is replaced.
    pub fn nginx_before(site: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let site = placed(site, "listen 80;", &format!("listen {address};"));
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("site.conf"), site).unwrap();
        fs::write(folder.path().join("nginx.conf"), NGINX.replace("FOLDER", &path)).unwrap();
        let arguments = ["-p", &path, "-c", "nginx.conf", "-e", "stderr"];
        Self::start("nginx", "nginx-light", &arguments, address, folder)
    }

    /// Starts `HAProxy` with a configuration. It has port 80 and the server 127.0.0.1:8080, which are
    /// replaced.
    pub fn haproxy(configuration: &str, server: SocketAddr) -> Self {
        Self::haproxy_before(&placed(configuration, "127.0.0.1:8080", &server))
    }

    /// Starts `HAProxy` with a configuration that names its servers. Port 80 is replaced.
    pub fn haproxy_before(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let configuration = placed(configuration, "bind :80", &format!("bind {address}"));
        let path = folder.path().join("haproxy.cfg");
        fs::write(&path, configuration).unwrap();
        let arguments = ["-db", "-f", &path.display().to_string()];
        Self::start("haproxy", "haproxy", &arguments, address, folder)
    }

    fn start(
        name: &str,
        package: &str,
        arguments: &[&str],
        address: SocketAddr,
        folder: TempDir,
    ) -> Self {
        // Debian installs them in a folder that is only in root's PATH.
        let installed = PathBuf::from("/usr/sbin").join(name);
        assert!(installed.exists(), "{name} is missing: install the Debian package {package}");
        let mut command = Command::new(installed);
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (child, log, reader) = spawn(&mut command);
        wait_until("the proxy listens or ends", || {
            TcpStream::connect(address).is_ok() || reader.is_finished()
        });
        assert!(!reader.is_finished(), "{name} has ended: {}", log.lock().unwrap());
        Self { client: Client::at(address), _child: child, _folder: folder }
    }
}

/// Returns a file that is shipped for a proxy.
pub fn shipped(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/proxies");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Replaces an address in a configuration, which has it once, with that of this test.
pub fn placed(text: &str, shipped: &str, here: &impl ToString) -> String {
    assert_eq!(text.matches(shipped).count(), 1, "{shipped} in {text}");
    text.replace(shipped, &here.to_string())
}
