-- Shared by the load scripts: the requests, and the JSON line that reports a run.

local M = {}

-- Returns a POST of one key's update. Every fourth server has drifted, in two files plus `drift` more.
-- `members` are further members of the object, such as ',"ttl_seconds":60'.
function M.request(key, drift, second, members)
    local repo, server = key % 50, math.floor(key / 50)
    drift = drift + (key % 4 == 0 and 2 or 0)
    local files = {}
    for file = 1, drift do
        files[file] = string.format('{"name":"conf.d/%02d-site-%02d.conf"}', file, repo)
    end
    local body = string.format(
        '{"repo":"repo-%02d","server":"server-%05d.example.net","sync_status":"%s",' ..
        '"drift_count":%d,"files":[%s],"last_check":"2026-04-21T10:32:%02dZ"%s}',
        repo, server, drift > 0 and "OUT_OF_SYNC" or "SYNCED", drift,
        table.concat(files, ","), second, members or "")
    wrk.headers["Content-Type"] = "application/json"
    return wrk.format("POST", "/api/status", nil, body)
end

-- Prints the counts of wrk. Times are in microseconds.
function M.report(summary, latency)
    local errors = summary.errors
    print(string.format(
        'RESULT {"requests":%d,"duration":%d,"bytes":%d,"failed":%d,"p50":%d,"p99":%d,"max":%d}',
        summary.requests, summary.duration, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end

-- Numbers the threads, each of which has its own Lua state.
function M.number_threads()
    local count = 0
    return function(thread)
        thread:set("thread_number", count)
        count = count + 1
    end
end

return M
