-- Pushes the updates of post.lua to a Pushgateway. Arguments: threads, keys.

local update = require "update"
setup, done = update.number_threads(), update.report
local requests, position = {}, 0

function init(arguments)
    local threads, keys = tonumber(arguments[1]), tonumber(arguments[2])
    for key = thread_number, keys - 1, threads do
        local path = string.format(
            "/metrics/job/repo-%02d/instance/server-%05d.example.net", key % 50, math.floor(key / 50))
        local body = string.format("drift_count %d\nlast_check 1776767535\n", key % 4 == 0 and 2 or 0)
        requests[#requests + 1] = wrk.format("PUT", path, nil, body)
    end
end

function request()
    position = position % #requests + 1
    return requests[position]
end
