//! When an entry becomes stale and when it expires.

use std::time::Duration;

use super::{CLOCK_TOLERANCE, Entry, KeyRef, Names, Outages, Report, ReporterSchedule, Timestamp};

/// The moments at which an entry changes by itself; [`Timestamp::NEVER`] if it does not.
///
/// A field more is a line more in [`Policy::deadlines`], and in the functions of
/// [`Shown`](super::Shown), where the compiler asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// From this moment on the entry is stale.
    pub stale_at: Timestamp,
    /// From this moment on the entry is expired. It has been stale before.
    pub expires_at: Timestamp,
}

/// The server's settings for how long entries last; `None` is forever.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long an entry is fresh after an update.
    pub stale_after: Option<Duration>,
    /// How long an entry is kept after an update.
    pub ttl: Option<Duration>,
    /// The settings for some entries, which go before these. An entry has the first that is its.
    pub schedules: Vec<Schedule>,
    /// The outages of the server, which are nobody's silence.
    pub outages: Outages,
    /// When a backup was restored or an export imported. An older entry is kept for its time to live
    /// from then on. `None` if all that is stored came here first.
    pub restored_at: Option<Timestamp>,
}

/// Settings for some entries. A zero is never; `None` means the setting for all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// The repositories of the entries.
    pub repo: Names,
    /// Their servers.
    pub server: Names,
    /// How long such an entry is fresh after an update.
    pub stale_after: Option<Duration>,
    /// How long such an entry is kept after an update.
    pub ttl: Option<Duration>,
}

/// Which of a policy's schedules is an entry's, so that it is looked for only once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScheduleNumber(u16);

impl ScheduleNumber {
    /// No schedule is the entry's.
    const NONE: Self = Self(u16::MAX);
}

impl Policy {
    /// Makes settings without schedules.
    #[must_use]
    pub const fn new(stale_after: Option<Duration>, ttl: Option<Duration>) -> Self {
        Self { stale_after, ttl, schedules: Vec::new(), outages: Outages::NONE, restored_at: None }
    }

    /// Finds the schedule of an entry.
    #[must_use]
    pub fn schedule_of(&self, KeyRef { repo, server }: KeyRef<'_>) -> ScheduleNumber {
        let is_its =
            |schedule: &Schedule| schedule.repo.matches(repo) && schedule.server.matches(server);
        let number = self.schedules.iter().position(is_its);
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.map_or(ScheduleNumber::NONE, ScheduleNumber)
    }

    /// Returns how long entries with a schedule last whose reporters have none.
    #[must_use]
    pub fn lifetime_by(&self, schedule: &Schedule) -> Lifetime {
        let Schedule { repo: _, server: _, stale_after, ttl } = *schedule;
        self.default_lifetime().with(stale_after, ttl).stale_before_expired()
    }

    /// Returns the deadlines of an entry.
    ///
    /// The reporter's schedule goes before that of the settings, which goes before the settings for
    /// all. An `updated_at` in the future, from a clock that was wrong, counts as `now`: the entry
    /// must not outlive the others. If it is ahead by no more than [`CLOCK_TOLERANCE`], it counts as
    /// it is, so that all replicas show the same deadline. The same holds of a restore. A silence that
    /// is recorded stays, whatever outages there were.
    #[must_use]
    pub fn deadlines(&self, number: ScheduleNumber, entry: &Entry, now: Timestamp) -> Deadlines {
        let counted = |at: Timestamp| if at > now.plus(CLOCK_TOLERANCE) { now } else { at };
        let since = counted(entry.updated_at);
        let kept_since = self.restored_at.map_or(since, |at| counted(at).max(since));
        let deadline = |since: Timestamp, span: Option<Duration>| {
            span.map_or(Timestamp::NEVER, |span| since.plus(span))
        };
        let Lifetime { stale_after, ttl } = self.lifetime(number, entry.report.schedule);
        let (stale_at, expires_at) = (deadline(since, stale_after), deadline(kept_since, ttl));
        let deadlines = Deadlines { stale_at, expires_at };
        if entry.recorded.stale { deadlines } else { self.outages.forgiven(since, deadlines) }
    }

    /// Returns how long an entry lasts whose reporter has this schedule.
    #[must_use]
    pub fn lifetime(&self, number: ScheduleNumber, schedule: ReporterSchedule) -> Lifetime {
        self.wished(number, schedule).stale_before_expired()
    }

    /// Returns the time after which the entry of a report should be stale by its reporter's schedule
    /// and the settings, if the entry is stale earlier because its time to live is not longer.
    #[must_use]
    pub fn shortened(&self, report: &Report) -> Option<Shortened> {
        let wished = self.wished(self.schedule_of(report.key()), report.schedule);
        let to = wished.stale_before_expired().stale_after?;
        (wished.stale_after != Some(to)).then_some(Shortened { from: wished.stale_after, to })
    }

    fn wished(&self, ScheduleNumber(number): ScheduleNumber, of: ReporterSchedule) -> Lifetime {
        let ReporterSchedule { stale_after_seconds, ttl_seconds } = of;
        let schedule = self.schedules.get(usize::from(number));
        let settings =
            schedule.map_or_else(|| self.default_lifetime(), |schedule| self.lifetime_by(schedule));
        settings.with(stale_after_seconds.map(seconds), ttl_seconds.map(seconds))
    }

    fn default_lifetime(&self) -> Lifetime {
        Lifetime { stale_after: self.stale_after, ttl: self.ttl }.stale_before_expired()
    }
}

/// How long an entry lasts after an update; `None` is for ever.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetime {
    /// How long it is fresh.
    pub stale_after: Option<Duration>,
    /// How long it is kept.
    pub ttl: Option<Duration>,
}

/// A time to be stale after that is not below the time to live, so that it does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shortened {
    /// The time that does not hold; `None` is for ever.
    pub from: Option<Duration>,
    /// The time that holds in its place.
    pub to: Duration,
}

impl Lifetime {
    /// Returns the same with values that go before these; zero is never.
    ///
    /// An entry that may be silent for long must not expire before it is stale, so a time to be
    /// stale after brings a time to live with it.
    fn with(self, stale_after: Option<Duration>, ttl: Option<Duration>) -> Self {
        let unless_zero = |span: Duration| (!span.is_zero()).then_some(span);
        match (stale_after.map(unless_zero), ttl.map(unless_zero)) {
            (None, None) => self,
            (Some(None), None) => Self { stale_after: None, ttl: None },
            (Some(Some(stale_after)), None) => Self {
                stale_after: Some(stale_after),
                ttl: self.ttl.map(|ttl| ttl.max(2 * stale_after)),
            },
            (stale_after, Some(ttl)) => {
                Self { stale_after: stale_after.unwrap_or(self.stale_after), ttl }
            }
        }
    }

    /// Returns the same for an entry that never expires without having been stale: where the time to
    /// live is not longer, the entry is stale after half of it.
    fn stale_before_expired(self) -> Self {
        let Self { stale_after, ttl } = self;
        match ttl {
            Some(ttl) if stale_after.is_none_or(|stale_after| ttl <= stale_after) => {
                Self { stale_after: Some(ttl / 2), ttl: Some(ttl) }
            }
            Some(_) | None => self,
        }
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy =
        Policy::new(Some(Duration::from_secs(100)), Some(Duration::from_secs(1000)));
    const NONE: ScheduleNumber = ScheduleNumber::NONE;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn entry(schedule: ReporterSchedule, updated_at: Timestamp) -> Entry {
        Entry::first(Report { schedule, ..Report::synced("r", "s") }, updated_at).0
    }

    fn deadlines(stale_after: Option<u32>, ttl: Option<u32>) -> (Timestamp, Timestamp) {
        let schedule = ReporterSchedule { stale_after_seconds: stale_after, ttl_seconds: ttl };
        let entry = entry(schedule, at(0));
        let Deadlines { stale_at, expires_at } = POLICY.deadlines(NONE, &entry, at(0));
        (stale_at, expires_at)
    }

    #[test]
    fn the_reporters_schedule_goes_before_the_settings() {
        let never = Timestamp::NEVER;
        assert_eq!(deadlines(None, None), (at(100), at(1000)));
        assert_eq!(deadlines(Some(10), None), (at(10), at(1000)));
        assert_eq!(deadlines(Some(700), None), (at(700), at(1400)), "lives twice its schedule");
        assert_eq!(deadlines(Some(10), Some(0)), (at(10), never));
    }

    #[test]
    fn an_entry_never_expires_without_having_been_stale() {
        let never = Timestamp::NEVER;
        assert_eq!(deadlines(Some(0), None), (never, never), "never stale, so never expired");
        assert_eq!(deadlines(None, Some(50)), (at(25), at(50)));
        assert_eq!(deadlines(None, Some(100)), (at(50), at(100)));
        assert_eq!(deadlines(None, Some(101)), (at(100), at(101)));
        assert_eq!(deadlines(Some(60), Some(30)), (at(15), at(30)));
        assert_eq!(deadlines(Some(0), Some(30)), (at(15), at(30)));
        let half_a_second = Timestamp::from_millis(500);
        assert_eq!(deadlines(Some(1), Some(1)), (half_a_second, at(1)));
        let patient = Policy { stale_after: None, ..POLICY };
        let settings = patient.lifetime(NONE, ReporterSchedule::default());
        assert_eq!(settings.stale_after, Some(Duration::from_secs(500)));
    }

    #[test]
    fn an_update_from_the_future_counts_from_now() {
        let entry = entry(ReporterSchedule::default(), at(1_000_000));
        let deadlines = POLICY.deadlines(NONE, &entry, at(5));
        assert_eq!(deadlines, Deadlines { stale_at: at(105), expires_at: at(1005) });
        let by_another_replica = self::entry(ReporterSchedule::default(), at(9));
        let deadlines = POLICY.deadlines(NONE, &by_another_replica, at(5));
        assert_eq!(deadlines, Deadlines { stale_at: at(109), expires_at: at(1009) });
    }

    #[test]
    fn after_a_restore_the_time_to_live_begins_anew_and_the_silence_goes_on() {
        let of = |restored_at: i64, updated_at: i64, now: i64| {
            let policy = Policy { restored_at: Some(at(restored_at)), ..POLICY };
            let entry = entry(ReporterSchedule::default(), at(updated_at));
            let Deadlines { stale_at, expires_at } = policy.deadlines(NONE, &entry, at(now));
            (stale_at, expires_at)
        };
        assert_eq!(of(5000, 0, 5000), (at(100), at(6000)));
        assert_eq!(of(5000, 5001, 5001), (at(5101), at(6001)), "it was reported since");
        assert_eq!(of(5000, 0, 4998), (at(100), at(6000)), "by the clock of another replica");
        assert_eq!(of(1_000_000, 0, 5000), (at(100), at(6000)), "by a wrong clock");
    }

    #[test]
    fn the_first_schedule_that_matches_goes_before_the_settings_and_behind_the_reporter() {
        let schedule = |repo: &str, server: &str, stale_after: Option<u32>, ttl: Option<u32>| {
            let names = |text: &str| Names::parse([text]);
            let (stale_after, ttl) = (stale_after.map(seconds), ttl.map(seconds));
            Schedule { repo: names(repo), server: names(server), stale_after, ttl }
        };
        let schedules = vec![
            schedule("backup-*", "", Some(700), None),
            schedule("", "lab-1,lab-2", Some(0), None),
            schedule("backup-db", "", Some(1), Some(2)),
            schedule("quick", "", None, Some(60)),
        ];
        let policy = Policy { schedules, ..POLICY };
        let lasts = |repo, server, reporter| {
            let number = policy.schedule_of(KeyRef { repo, server });
            let lifetime = policy.lifetime(number, reporter);
            [lifetime.stale_after, lifetime.ttl].map(|span| span.map(|span| span.as_secs()))
        };
        let none = ReporterSchedule::default();
        assert_eq!(lasts("backup-db", "a", none), [Some(700), Some(1400)]);
        assert_eq!(lasts("backup-db", "lab-1", none), [Some(700), Some(1400)]);
        assert_eq!(lasts("r", "lab-2", none), [None, None]);
        assert_eq!(lasts("quick", "a", none), [Some(30), Some(60)], "below the default");
        assert_eq!(lasts("r", "a", none), [Some(100), Some(1000)]);
        let own = ReporterSchedule { stale_after_seconds: Some(10), ttl_seconds: None };
        assert_eq!(lasts("backup-db", "a", own), [Some(10), Some(1400)]);
        let own = ReporterSchedule { stale_after_seconds: None, ttl_seconds: Some(800) };
        assert_eq!(lasts("backup-db", "a", own), [Some(700), Some(800)]);
    }
}
