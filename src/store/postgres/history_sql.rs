//! The SQL of questions about the history. All of it is constant, so each connection prepares it
//! once.
//!
//! Pairs are two arrays of the same length, of repositories and of servers. The index by state has
//! the state in front of the time, so a range of time is sought in each state.
//!
//! What is sought for each pair stands in a `lateral` with `limit` or `offset 0`. Without these, the
//! planner may join in another order: if its statistics are old, it walks through the whole history for
//! each pair.

use super::sql::transition_as_columns;

/// Pairs as rows, each with its place from 1 on.
macro_rules! pairs {
    () => {
        "unnest($1::text[], $2::text[]) with ordinality as pair (repo, server, place)"
    };
}

/// Each state as a row.
macro_rules! each_state {
    () => {
        "(values (0::smallint), (1::smallint), (2::smallint), (3::smallint)) as wanted (state)"
    };
}

/// Some columns of the transitions of each pair in a range, in the table `seen`.
macro_rules! of_pairs_in_range {
    ($columns:expr) => {
        concat!(
            pairs!(),
            " cross join ",
            each_state!(),
            " cross join lateral (select ",
            $columns,
            " from transitions as own \
                where own.repo = pair.repo and own.server = pair.server \
                    and own.state = wanted.state and own.at >= $3 and own.at < $4 \
                offset 0 \
            ) as seen"
        )
    };
}

/// How an entry counts after a transition: a drifted one is out of sync, whatever its state.
macro_rules! state_in_sum {
    () => {
        "case when state < 3 and (sync_status = 'OUT_OF_SYNC' or drift_count > 0) \
            then 1::smallint else state end"
    };
}

/// The newest transitions of all pairs between two cursors, with some events.
pub(super) const NEWEST_OF_ALL: &str = concat!(
    "select ",
    transition_as_columns!(),
    " from transitions \
    where (at, id) < ($1, $2) and at >= $3 and event = any ($5) and (at, id) >= ($6, $7) \
    order by at desc, id desc limit $4"
);

/// The newest transitions of some pairs and states before a cursor: of each pair and state as many
/// as are wanted of all.
pub(super) const NEWEST_OF_PAIRS: &str = concat!(
    "with newest (moment, id) as materialized ( \
        select own.at, own.id \
        from unnest($5::text[], $6::text[]) as pair (repo, server) \
        cross join unnest($7::smallint[]) as wanted (state) \
        cross join lateral ( \
            select at, id from transitions as seen \
            where seen.repo = pair.repo and seen.server = pair.server \
                and seen.state = wanted.state and (seen.at, seen.id) < ($1, $2) and seen.at >= $3 \
            order by at desc, id desc limit $4 \
        ) as own \
        order by own.at desc, own.id desc limit $4 \
    ) \
    select ",
    transition_as_columns!(),
    " from newest join transitions using (id) order by moment desc, id desc"
);

/// The cursor that is some transitions before another.
pub(super) const BACK: &str = "\
    select at, id from transitions where (at, id) < ($1, $2) and at >= $3 \
    order by at desc, id desc limit 1 offset $4";

/// Every pair after one, each found by a seek.
macro_rules! pairs_after {
    ($repo:literal, $server:literal) => {
        concat!(
            "with recursive pairs (repo, server) as ( \
                ( \
                    select repo, server from transitions \
                    where (repo, server) > (",
            $repo,
            ", ",
            $server,
            ") order by repo, server limit 1 \
                ) \
                union all \
                select next.repo, next.server from pairs cross join lateral ( \
                    select seen.repo, seen.server from transitions as seen \
                    where (seen.repo, seen.server) > (pairs.repo, pairs.server) \
                    order by seen.repo, seen.server limit 1 \
                ) as next \
            ) "
        )
    };
}
pub(super) use pairs_after;

/// Up to `$3` pairs after one.
pub(super) const PAIRS: &str =
    concat!(pairs_after!("$1", "$2"), "select repo, server from pairs limit $3");

/// Up to `$3` pairs of a repository after one.
pub(super) const PAIRS_OF_REPO: &str = "\
    with recursive pairs (repo, server) as ( \
        ( \
            select repo, server from transitions where repo = $1 and server > $2 \
            order by server limit 1 \
        ) \
        union all \
        select next.repo, next.server from pairs cross join lateral ( \
            select seen.repo, seen.server from transitions as seen \
            where seen.repo = pairs.repo and seen.server > pairs.server \
            order by seen.server limit 1 \
        ) as next \
    ) \
    select repo, server from pairs limit $3";

/// The first and the last moment of the history.
pub(super) const EXTENT: &str = "select min(at), max(at) from transitions";

/// The last moment before `$3` at which a pair got into a state.
macro_rules! last_moment {
    ($state:literal) => {
        concat!(
            "coalesce((select max(at) from transitions as seen where seen.repo = pair.repo \
                and seen.server = pair.server and seen.state = ",
            $state,
            " and at < $3), $5)"
        )
    };
}

/// The places of the pairs to show for a range: those with a transition in it, and those with an
/// entry at its start.
pub(super) const IN_RANGE: &str = concat!(
    "select place from ",
    pairs!(),
    " where exists ( \
        select from ",
    each_state!(),
    " cross join lateral ( \
            select from transitions as seen where seen.repo = pair.repo \
                and seen.server = pair.server and seen.state = wanted.state \
                and seen.at >= $3 and seen.at < $4 limit 1 \
        ) as first \
    ) or greatest(",
    last_moment!("0"),
    ", ",
    last_moment!("1"),
    ", ",
    last_moment!("2"),
    ") > ",
    last_moment!("3"),
    " order by place"
);

/// The number of transitions of some pairs in a range, up to `$5`.
pub(super) const COUNT_OF_PAIRS: &str =
    concat!("select count(*) from (select from ", of_pairs_in_range!(""), " limit $5) as counted");

/// The number of transitions of all pairs in a range, up to `$3`.
pub(super) const COUNT_OF_ALL: &str = "select count(*) from ( \
        select from transitions where at >= $1 and at < $2 limit $3 \
    ) as counted";

/// The last transition of a pair to a state before a moment; whether the entry was drifted is asked
/// of its row only if that is wanted.
macro_rules! last_to {
    ($state:literal, $name:literal, $is_drifted:literal) => {
        concat!(
            " left join lateral ( \
                select at, id, ",
            $is_drifted,
            " as is_drifted from transitions as seen \
                where seen.repo = pair.repo and seen.server = pair.server \
                    and seen.state = ",
            $state,
            " and at < moment.at order by at desc, id desc limit 1 \
            ) as ",
            $name,
            " on true"
        )
    };
}

/// The last transition to each state before some moments, for some pairs.
macro_rules! last_seen {
    ($is_drifted:literal) => {
        concat!(
            "select place, moment.at, ended.at, ended.id, false, \
                synced.at, synced.id, synced.is_drifted, stale.at, stale.id, stale.is_drifted, \
                out_of_sync.at, out_of_sync.id, false from ",
            pairs!(),
            " cross join lateral ( \
                select unnest($3::bigint[]) as at offset 0 \
            ) as moment",
            last_to!("3", "ended", "false"),
            last_to!("0", "synced", $is_drifted),
            last_to!("2", "stale", $is_drifted),
            last_to!("1", "out_of_sync", "false"),
            " order by place, moment.at"
        )
    };
}

/// By state alone.
pub(super) const LAST_SEEN: &str = last_seen!("false");
/// And whether the entry was drifted.
pub(super) const LAST_SEEN_IN_SUM: &str =
    last_seen!("sync_status = 'OUT_OF_SYNC' or drift_count > 0");

/// The transitions of some pairs in a range.
pub(super) const POINTS: &str = concat!(
    "select place, at, id, wanted.state from ",
    of_pairs_in_range!("at, id"),
    " order by place, at, id"
);

/// The transitions of some pairs in a range, in the order of time.
pub(super) const POINTS_IN_SUM: &str = concat!(
    "select place, at, in_sum from ",
    of_pairs_in_range!(concat!("at, id, ", state_in_sum!(), " as in_sum")),
    " order by at, id"
);

/// The transitions of all pairs in a range, in the order of time.
pub(super) const ALL_IN_SUM: &str = concat!(
    "select repo, server, at, ",
    state_in_sum!(),
    " from transitions where at >= $1 and at < $2 order by at, id"
);
