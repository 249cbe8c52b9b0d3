//! Containers and networks that are being made. An engine goes on making one when nobody listens any more, so that whoever removes it by its name could come
//! too early and find nothing: they wait here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// See the module.
#[derive(Default)]
pub(crate) struct Creating(Mutex<HashMap<String, watch::Receiver<()>>>);

impl Creating {
    /// From now on this name is being made, until what is returned is dropped.
    pub(crate) fn begin(&self, name: &str) -> watch::Sender<()> {
        let (making, made) = watch::channel(());
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, made| made.has_changed().is_ok());
        names.insert(name.to_owned(), made);
        making
    }

    /// Waits until nobody makes anything of this name.
    pub(crate) async fn settled(&self, name: &str) {
        let making = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(mut making) = making {
            // Nothing is ever sent: it ends with its sender.
            while making.changed().await.is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Creating;

    #[tokio::test]
    async fn whoever_removes_waits_for_whoever_makes() {
        let creating = Creating::default();
        creating.settled("a").await;
        let making = creating.begin("a");
        let mut waiting = Box::pin(creating.settled("a"));
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it did not wait"),
            () = std::future::ready(()) => {}
        }
        creating.settled("b").await;
        drop(making);
        waiting.await;
    }
}
