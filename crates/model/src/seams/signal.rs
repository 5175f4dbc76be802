//! A value that others wait for.
//!
//! Who waits is woken in the order in which waiting began. (Tokio's `watch` spreads its waiters over several
//! lists at random, so that no run of a simulation would be like another.)

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value that changes, and those who wait for it.
#[derive(Debug, Default)]
pub struct Signal<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State<T> {
    value: T,
    version: u64,
}

impl<T> Signal<T> {
    /// Begins with a value, in version 0.
    pub fn new(value: T) -> Self {
        Self {
            state: Mutex::new(State { value, version: 0 }),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the value. `look` must not wait, nor look at this signal again.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock().value)
    }

    /// Changes the value and wakes who waits, unless `change` says that nothing changed.
    pub fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        {
            let mut state = self.lock();
            if !change(&mut state.value) {
                return;
            }
            state.version += 1;
        }
        self.changed.notify_waiters();
    }

    /// Sets the value and wakes who waits.
    pub fn set(&self, value: T) {
        self.change(|present| {
            *present = value;
            true
        });
    }

    /// Waits until something holds of the value; `holds` is asked now and after each change.
    pub async fn until(&self, mut holds: impl FnMut(&T) -> bool) {
        loop {
            // Registered before the look, so that no change is missed in between.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.look(&mut holds) {
                return;
            }
            changed.await;
        }
    }

    /// Waits for a version later than `seen`, and returns it with the value.
    pub async fn later_than(&self, seen: u64) -> (u64, T)
    where
        T: Clone,
    {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let state = self.lock();
                if state.version > seen {
                    return (state.version, state.value.clone());
                }
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn wakes_in_the_order_of_waiting_when_it_holds() {
        let signal = Arc::new(Signal::new(0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for name in 0..20 {
            let (signal, order) = (Arc::clone(&signal), Arc::clone(&order));
            tasks.spawn(async move {
                signal.until(|value| *value == 2).await;
                order.lock().unwrap().push(name);
            });
        }
        tokio::task::yield_now().await;
        signal.set(1);
        tokio::task::yield_now().await;
        assert!(order.lock().unwrap().is_empty());
        signal.change(|_| false);
        signal.set(2);
        while tasks.join_next().await.is_some() {}
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn tells_each_who_asks_of_the_latest_version() {
        let signal = Signal::new("a");
        signal.set("b");
        signal.set("c");
        let (seen, value) = signal.later_than(0).await;
        assert_eq!((seen, value), (2, "c"));
        let (later, ()) = tokio::join!(signal.later_than(seen), async { signal.set("d") });
        assert_eq!(later, (3, "d"));
    }
}
