-- Posts updates repeatedly. Arguments: threads, keys, "times" or "changes", mean delay in ms or 0, the
-- client's part and the number of parts, and optionally a token.
--
-- Clients of several parts have other keys; clients that are different parts of one have the same keys
-- in another order. Each thread has its share of them, shuffled once, since neighbouring keys would share
-- pages and segments. The requests are prepared in advance, so that the client uses little CPU. A thread with
-- more than 20,000 keys uses a random 20,000 of them.

local update = require "update"
setup, done = update.number_threads(), update.report
local requests, position, pause = {}, 0, 0

function init(arguments)
    local threads, keys, what = tonumber(arguments[1]), tonumber(arguments[2]), arguments[3]
    pause = tonumber(arguments[4])
    local part, parts = tonumber(arguments[5]), tonumber(arguments[6])
    local token = arguments[7]
    if token then wrk.headers["Authorization"] = "Bearer " .. token end
    local mine = {}
    for key = thread_number + threads * (part % parts), keys - 1, threads * parts do mine[#mine + 1] = key end
    math.randomseed(42 + thread_number + threads * part)
    for last = #mine, 2, -1 do
        local other = math.random(last)
        mine[last], mine[other] = mine[other], mine[last]
    end
    for place = #mine, 20001, -1 do mine[place] = nil end
    for round = 0, 1 do
        local drift = what == "changes" and round or 0
        for _, key in ipairs(mine) do
            requests[#requests + 1] = update.request(key, drift, 15 + round)
        end
    end
    -- Connections that all paused for the same time would send in step.
    if pause > 0 then delay = function() return math.random(0, 2 * pause) end end
end

function request()
    position = position % #requests + 1
    return requests[position]
end
