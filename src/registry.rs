//! A bounded table of guards by name: get or create, one guard a name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::name::Name;
use crate::sync::Mutex;

/// A bounded table of guards (breakers, limiters) by name or key.
///
/// A guard leaves only by [`remove`](Self::remove) or [`retain`](Self::retain): a table that dropped
/// an open breaker or an emptied limiter by itself would let the next caller in again.
///
/// # Concurrency
/// Thread-safe. Guards are made, judged and dropped outside the table's lock; when two threads make
/// one of the same name at once, one of the two is kept and both get it.
///
/// # Examples
/// ```
/// use feedguard::{BreakerConfig, CircuitBreaker};
/// use feedguard::registry::GuardRegistry;
/// let breakers: GuardRegistry<CircuitBreaker> = GuardRegistry::new(1000);
/// let make = |name: &str| CircuitBreaker::new(name, BreakerConfig::free());
/// let sina = breakers.get_or_create("sina", make)?;
/// let same = breakers.get_or_create("sina", make)?;
/// assert!(std::sync::Arc::ptr_eq(&sina, &same));
/// breakers.retain(|_name, breaker| breaker.snapshot().times_opened > 0);
/// assert!(breakers.get("sina").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GuardRegistry<T> {
    max: usize,
    table: Mutex<Table<T>>,
}

struct Table<T> {
    guards: HashMap<Name, Arc<T>>,
    refused: u64,
}

/// No guard could be had.
///
/// # Examples
/// ```
/// use feedguard::registry::{GuardRegistry, RegistryError};
/// let guards: GuardRegistry<u32> = GuardRegistry::new(1);
/// let make = |_: &str| Ok::<_, ()>(7);
/// assert!(guards.get_or_create("a", make).is_ok());
/// assert!(matches!(guards.get_or_create("b", make), Err(RegistryError::Full { max: 1, .. })));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError<E> {
    /// All places are taken.
    #[error("no place for {name:?}: all {max} places of the registry are taken")]
    Full {
        /// The name that found no place.
        name: Name,
        /// Places.
        max: usize,
    },
    /// The guard could not be made.
    #[error(transparent)]
    Make(E),
}

impl<T> GuardRegistry<T> {
    /// A table for at most `max` guards.
    pub fn new(max: usize) -> Self {
        Self { max, table: Mutex::new(Table { guards: HashMap::new(), refused: 0 }) }
    }

    /// The guard of that name; makes it if there is none.
    ///
    /// # Errors
    /// [`RegistryError::Full`], or `make`'s own in [`RegistryError::Make`].
    pub fn get_or_create<E>(
        &self,
        name: &str,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Arc<T>, RegistryError<E>> {
        let known = self.table.lock().known_or_room(name, self.max)?;
        if let Some(known) = known {
            return Ok(known);
        }
        let made = Arc::new(make(name).map_err(RegistryError::Make)?);
        let mut table = self.table.lock();
        let kept = table.known_or_room(name, self.max)?;
        if kept.is_none() {
            table.guards.insert(Name::from(name), Arc::clone(&made));
        }
        drop(table);
        Ok(kept.unwrap_or(made))
    }

    /// The guard of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.table.lock().guards.get(name).map(Arc::clone)
    }

    /// Takes a guard out of the table; whoever holds it may keep using it.
    pub fn remove(&self, name: &str) -> Option<Arc<T>> {
        self.table.lock().guards.remove(name)
    }

    /// Takes out every guard for which `keep` says `false`.
    pub fn retain(&self, keep: impl Fn(&Name, &T) -> bool) {
        for (name, guard) in self.all() {
            if keep(&name, &guard) {
                continue;
            }
            let mut table = self.table.lock();
            let is_same = table.guards.get(&name).is_some_and(|now| Arc::ptr_eq(now, &guard));
            let gone = if is_same { table.guards.remove(&name) } else { None };
            drop(table);
            drop(gone);
        }
    }

    /// All guards, sorted by name.
    pub fn all(&self) -> Vec<(Name, Arc<T>)> {
        let table = self.table.lock();
        let mut all: Vec<_> = table.guards.iter().map(|(name, guard)| (name.clone(), Arc::clone(guard))).collect();
        drop(table);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// How often a name found no place.
    pub fn refused(&self) -> u64 {
        self.table.lock().refused
    }
}

impl<T> Table<T> {
    /// The guard if there is one, an error if there is none and no place for it.
    fn known_or_room<E>(&mut self, name: &str, max: usize) -> Result<Option<Arc<T>>, RegistryError<E>> {
        let known = self.guards.get(name).map(Arc::clone);
        if known.is_none() && self.guards.len() >= max {
            self.refused += 1;
            return Err(RegistryError::Full { name: Name::from(name), max });
        }
        Ok(known)
    }
}

impl<T> fmt::Debug for GuardRegistry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guards = self.table.lock().guards.len();
        f.debug_struct("GuardRegistry").field("guards", &guards).field("max", &self.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(name: &str) -> Result<String, &'static str> {
        if name == "bad" { Err("no") } else { Ok(name.to_owned()) }
    }

    #[test]
    fn a_full_table_refuses_new_names_and_knows_the_old() {
        let registry = GuardRegistry::new(2);
        let one = registry.get_or_create("one", make).unwrap();
        registry.get_or_create("two", make).unwrap();
        assert_eq!(
            registry.get_or_create("three", make),
            Err(RegistryError::Full { name: Name::from("three"), max: 2 })
        );
        assert!(Arc::ptr_eq(&one, &registry.get_or_create("one", make).unwrap()));
        assert_eq!(registry.refused(), 1);
        registry.retain(|name, _| name == "one");
        assert!(registry.get_or_create("three", make).is_ok());
    }

    #[test]
    fn an_error_of_the_maker_comes_back_and_takes_no_place() {
        let registry = GuardRegistry::new(1);
        assert_eq!(registry.get_or_create("bad", make), Err(RegistryError::Make("no")));
        assert!(registry.get_or_create("good", make).is_ok());
    }
}
