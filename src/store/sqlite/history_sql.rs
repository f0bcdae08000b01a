//! The SQL of questions about the history. All of it is constant, so each connection prepares it
//! once.

use super::sql::transition_as_json;

/// The newest transitions of all pairs between two cursors.
pub(super) const NEWEST_OF_ALL: &str = concat!(
    "select ",
    transition_as_json!(),
    " as transition \
    from transitions \
    where (at, id) < ($1, $2) and at >= $3 and event in (select value from json_each($5)) \
        and (at, id) >= ($6, $7) \
    order by at desc, id desc limit $4"
);

/// The cursor that is some transitions before another.
pub(super) const BACK: &str = "\
    select at, id from transitions where (at, id) < ($1, $2) and at >= $3 \
    order by at desc, id desc limit 1 offset $4";

/// The newest transitions of some pairs and states before a cursor. For each pair and state, SQLite
/// stops at the first that is older than the newest found so far.
pub(super) const NEWEST_OF_PAIRS: &str = concat!(
    "with newest (moment, id) as materialized ( \
        select transitions.at, transitions.id \
        from json_each($5) as pair cross join transitions \
        where repo = pair.value ->> 0 and server = pair.value ->> 1 \
            and state in (select value from json_each($6)) \
            and (transitions.at, transitions.id) < ($1, $2) and transitions.at >= $3 \
        order by transitions.at desc, transitions.id desc limit $4 \
    ) \
    select ",
    transition_as_json!(),
    " as transition from newest cross join transitions using (id) order by moment desc, id desc"
);

/// The first and the last moment of the history.
pub(super) const EXTENT: &str = "select \
    (select min(at) from transitions) as first, (select max(at) from transitions) as last";

/// The number of transitions of some pairs in a range, up to `$4`.
pub(super) const COUNT_OF_PAIRS: &str = "\
    select count(*) from ( \
        select 1 from json_each($1) as pair cross join transitions \
        where repo = pair.value ->> 0 and server = pair.value ->> 1 and state in (0, 1, 2, 3) \
            and at >= $2 and at < $3 \
        limit $4 \
    )";

/// The transitions of some pairs in a range.
pub(super) const POINTS: &str = "\
    select pair.key as pair, at, transitions.id, state \
    from json_each($1) as pair cross join transitions \
    where repo = pair.value ->> 0 and server = pair.value ->> 1 and state in (0, 1, 2, 3) \
        and at >= $2 and at < $3 \
    order by pair.key, at, transitions.id";

/// The last transition to each state before some moments, for some pairs. With `$3`, a `d` follows
/// that of an entry that was drifted, which only its row says.
pub(super) const LAST_SEEN: &str = "\
    with pairs (key, repo, server) as materialized ( \
        select key, value ->> 0, value ->> 1 from json_each($1) \
    ) \
    select pairs.key as pair, moment.value as moment, \
        ( \
            select at || '.' || id \
                || iif($3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0), 'd', '') \
            from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 0 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as synced, \
        ( \
            select at || '.' || id from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 1 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as out_of_sync, \
        ( \
            select at || '.' || id \
                || iif($3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0), 'd', '') \
            from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 2 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as stale, \
        ( \
            select at || '.' || id from transitions as seen where seen.repo = pairs.repo \
                and seen.server = pairs.server and state = 3 and at < moment.value \
            order by at desc, id desc limit 1 \
        ) as ended \
    from pairs cross join json_each($2) as moment \
    order by pairs.key, moment.value";

/// The pairs to show for a range: those with a transition in it, and those with an entry at its
/// start.
pub(super) const IN_RANGE: &str = "\
    with pairs (key, repo, server) as materialized ( \
        select key, value ->> 0, value ->> 1 from json_each($1) \
    ) \
    select key from pairs where exists ( \
        select 1 from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state in (0, 1, 2, 3) and at >= $2 and at < $3 \
    ) or max( \
        coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state = 0 and at < $2), $4), \
        coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state = 1 and at < $2), $4), \
        coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
            and seen.server = pairs.server and state = 2 and at < $2), $4) \
    ) > coalesce((select max(at) from transitions as seen where seen.repo = pairs.repo \
        and seen.server = pairs.server and state = 3 and at < $2), $4) \
    order by key";

/// How an entry counts after a transition: a drifted one is out of sync, whatever its state.
macro_rules! state_in_sum {
    () => {
        "iif(state < 3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0), 1, state)"
    };
}

/// The transitions of some pairs in a range, in the order of time.
pub(super) const POINTS_IN_SUM: &str = concat!(
    "select pair.key as pair, at, ",
    state_in_sum!(),
    " as state \
    from json_each($1) as pair cross join transitions \
    where repo = pair.value ->> 0 and server = pair.value ->> 1 and state in (0, 1, 2, 3) \
        and at >= $2 and at < $3 \
    order by at, transitions.id"
);

/// The transitions of all pairs in a range, in the order of time.
pub(super) const ALL_IN_SUM: &str = concat!(
    "select at, ",
    state_in_sum!(),
    ", repo, server from transitions where at >= $1 and at < $2 order by at, id"
);

/// The number of transitions of all pairs in a range, up to `$3`.
pub(super) const COUNT_OF_ALL: &str =
    "select count(*) from (select 1 from transitions where at >= $1 and at < $2 limit $3)";
