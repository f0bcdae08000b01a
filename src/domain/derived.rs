//! A cell for what others compute from a segment or a snapshot. The domain only empties it.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

/// Keeps a value of any type until what it was computed from changes. A copy is empty: copies are
/// made to be changed.
#[derive(Default)]
pub struct Derived(OnceLock<Box<dyn Any + Send + Sync>>);

impl Derived {
    /// Returns the value, if there is one. All values of a cell are of one type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        let value = self.0.get()?.downcast_ref();
        debug_assert!(value.is_some(), "the value is of another type");
        value
    }

    /// Keeps a value, unless there is one already.
    pub fn keep<T: Any + Send + Sync>(&self, value: T) {
        self.0.set(Box::new(value)).ok();
    }
}

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Derived").field(&self.0.get().is_some()).finish()
    }
}
