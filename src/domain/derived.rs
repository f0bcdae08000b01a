//! A cell for what others compute from a segment or a snapshot. The domain only says what of it is
//! out of date.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

type Value = Arc<dyn Any + Send + Sync>;

/// A value, and the places that have changed since it was computed.
type Outdated = Option<(Value, BTreeSet<usize>)>;

/// Keeps a value of any type until what it was computed from changes. All values of a cell are of
/// one type.
#[derive(Default)]
pub struct Derived {
    value: OnceLock<Value>,
    /// The value before some places changed, until there is a new one.
    outdated: Mutex<Outdated>,
}

impl Derived {
    /// Returns the value, if there is one.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        let value = self.value.get()?.downcast_ref();
        debug_assert!(value.is_some(), "the value is of another type");
        value
    }

    /// Keeps a value, unless there is one already.
    pub fn keep<T: Any + Send + Sync>(&self, value: T) {
        self.value.set(Arc::new(value)).ok();
    }

    /// Whether there is a value that was computed before some places changed.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.outdated().is_some()
    }

    /// Takes the value that was computed before some places changed, and these places.
    #[must_use]
    pub fn take_outdated<T: Any + Send + Sync>(&self) -> Option<(Arc<T>, BTreeSet<usize>)> {
        let (value, changed) = self.outdated().take()?;
        value.downcast().ok().map(|value| (value, changed))
    }

    /// Notes that one of this many places has changed.
    pub(super) fn place_changed(&mut self, place: usize, places: usize) {
        let present = self.outdated.get_mut().unwrap_or_else(PoisonError::into_inner);
        let value = self.value.take().map(|value| (value, BTreeSet::new()));
        *present = value.or_else(|| present.take()).and_then(|(value, mut changed)| {
            changed.insert(place);
            (changed.len() < places).then_some((value, changed))
        });
    }

    fn outdated(&self) -> MutexGuard<'_, Outdated> {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), outdated: Mutex::new(self.outdated().clone()) }
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Derived").field(&self.value.get().is_some()).finish()
    }
}
