"""TLS with servers of this machine, whose certificates are made for the run and vouch for themselves."""

import re
import ssl
import subprocess
from pathlib import Path

# Accepts any certificate.
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE

# What openssl is told to make a key of each kind.
KEYS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["-newkey", "rsa:2048"]}


def make_certificate(certificate: Path, key: Path, kind: str) -> None:
    """Writes a certificate and its key of one of the KEYS."""
    about = ["-subj", "/CN=localhost", "-days", "30"]
    command = ["openssl", "req", "-x509", "-nodes", *KEYS[kind], "-out", str(certificate), "-keyout", str(key), *about]
    subprocess.run(command, check=True, capture_output=True)


def handshakes(port: int, clients: int, seconds: int) -> int:
    """Gets /livez again and again in each client, each time on a new connection with a full handshake.
    Returns how many there were."""
    # Without a request, openssl leaves before the server has ended the handshake.
    to = ["-connect", f"127.0.0.1:{port}", "-www", "/livez"]
    command = ["openssl", "s_time", *to, "-new", "-time", str(seconds)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(clients)
    ]
    texts = [process.communicate()[0] for process in running]
    counted = [re.search(r"(\d+) connections in \d+ real seconds", text) for text in texts]
    if any(process.returncode for process in running) or not all(counted):
        raise RuntimeError(f"openssl failed: {texts}")
    return sum(int(found[1]) for found in counted)
