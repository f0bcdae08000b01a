"""An in-memory status server in Flask, with the same three paths. It keeps nothing on disk.

The benchmark runs it under gunicorn with one worker, since two would not share their memory.
"""

from datetime import datetime, timezone

from flask import Flask, jsonify, request

app = Flask(__name__)
statuses: dict[str, dict] = {}
FIELDS = ("repo", "server", "sync_status", "drift_count", "files", "last_check")


def now() -> str:
    return datetime.now(timezone.utc).isoformat()


@app.post("/api/status")
def record():
    update = request.get_json()
    for field in FIELDS:
        if field not in update:
            return jsonify(status="error", message=f"missing field: {field}"), 400
    if update["sync_status"] not in ("SYNCED", "OUT_OF_SYNC"):
        return jsonify(status="error", message="sync_status must be SYNCED or OUT_OF_SYNC"), 400
    key = f"{update['repo']}:{update['server']}"
    statuses[key] = {field: update[field] for field in FIELDS} | {"updated_at": now()}
    print(f"{key} is {update['sync_status']}, {update['drift_count']} files")
    return jsonify(status="ok", message="Status updated successfully")


@app.get("/status.json")
def status():
    return jsonify(list(statuses.values()))


@app.get("/health")
def health():
    return jsonify(status="healthy", timestamp=now(), tracked_repos=len(statuses))
