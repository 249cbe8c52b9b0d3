//! Asks the system for the addresses of names, with bounds on what a guest, or a name server that does not answer, can hold.
//!
//! The system's own answer is wanted (its files, its private domains, its order), and the system's function blocks and cannot be
//! stopped. So each question has a thread of its own, and there are few of them: none of those that the rest of the process uses, a
//! number for all workloads, and a smaller one for each, which a question keeps until the system has answered it, whether or not anybody
//! still waits.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// Questions to the system at once, over all workloads of an engine.
const AT_ONCE: usize = 16;
/// Of these, those of one workload.
const EACH: usize = 2;
/// How long a guest waits for an answer, its turn included. Longer than the five seconds after which resolvers ask once more.
const WITHIN: Duration = Duration::from_secs(10);
/// Questions of one workload: so many at once after a pause, and one more each time this has passed.
const BURST: u32 = 50;
const EVERY: Duration = Duration::from_millis(100);

type Ask = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Why there are no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// The system knows none.
    Unknown,
    /// The system has not answered, or nobody could ask it yet.
    NotNow,
}

/// The places for questions, shared by all workloads of an engine.
pub(crate) struct Resolver {
    ask: Arc<Ask>,
    places: Arc<Semaphore>,
}

impl Resolver {
    /// Asks this machine.
    pub(crate) fn system() -> Self {
        let ask = |name: &str| -> io::Result<Vec<IpAddr>> {
            Ok((name, 0).to_socket_addrs()?.map(|address| address.ip().to_canonical()).collect())
        };
        Self::asking(Arc::new(ask))
    }

    fn asking(ask: Arc<Ask>) -> Self {
        Self { ask, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The turns of one workload.
    pub(crate) fn turns(self: &Arc<Self>) -> Arc<Turns> {
        Arc::new(Turns {
            resolver: Arc::clone(self),
            own: Arc::new(Semaphore::new(EACH)),
            paid: Mutex::new(Instant::now()),
        })
    }
}

/// What one workload may ask.
pub(crate) struct Turns {
    resolver: Arc<Resolver>,
    own: Arc<Semaphore>,
    /// Until when the time for questions is used up: each takes [`EVERY`], and may be up to [`BURST`] of them early.
    paid: Mutex<Instant>,
}

impl Turns {
    /// Addresses of a name. Dropping the future gives up waiting; a question that was put to the system keeps its place.
    ///
    /// # Errors
    /// See [`Unresolved`].
    pub(crate) async fn resolve(&self, name: String) -> Result<Vec<IpAddr>, Unresolved> {
        let answer = async {
            tokio::time::sleep_until(self.next()).await;
            let own = Arc::clone(&self.own).acquire_owned().await.map_err(|_| Unresolved::NotNow)?;
            let places = Arc::clone(&self.resolver.places);
            let place = places.acquire_owned().await.map_err(|_| Unresolved::NotNow)?;
            let (tell, answer) = oneshot::channel();
            let ask = Arc::clone(&self.resolver.ask);
            let thread = std::thread::Builder::new().name("embedded-lookup".to_owned());
            let spawned = thread.spawn(move || {
                let found = ask(&name);
                drop((own, place));
                // Whoever asked may have gone.
                let _ = tell.send(found);
            });
            spawned.map_err(|_| Unresolved::NotNow)?;
            answer.await.map_err(|_| Unresolved::NotNow)?.map_err(|_| Unresolved::Unknown)
        };
        tokio::time::timeout(WITHIN, answer).await.unwrap_or(Err(Unresolved::NotNow))
    }

    /// When the next question may be put.
    fn next(&self) -> Instant {
        let now = Instant::now();
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(now) + EVERY;
        paid.checked_sub(EVERY * BURST).map_or(now, |from| from.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Condvar;

    /// A name server that does not answer for names that begin with `hang` until it is told to.
    #[derive(Default)]
    struct Server {
        asked: Mutex<Vec<String>>,
        open: Mutex<bool>,
        opened: Condvar,
    }

    impl Server {
        fn resolver(self: &Arc<Self>) -> Arc<Resolver> {
            let server = Arc::clone(self);
            Arc::new(Resolver::asking(Arc::new(move |name| {
                server.asked.lock().unwrap().push(name.to_owned());
                if name.starts_with("hang") {
                    let open = server.open.lock().unwrap();
                    drop(server.opened.wait_while(open, |open| !*open).unwrap());
                }
                if name == "nobody" {
                    return Err(io::Error::other("no such name"));
                }
                Ok(vec![[192, 0, 2, 1].into()])
            })))
        }

        async fn until_asked(&self, count: usize) {
            while self.asked.lock().unwrap().len() < count {
                tokio::task::yield_now().await;
            }
        }

        fn answer(&self) {
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }
    }

    #[test]
    fn a_name_server_that_hangs_holds_a_few_threads_of_its_own_and_nobody_else_up() {
        // With a single thread for blocking work it would be seen at once if a question took it.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let server = Arc::new(Server::default());
            let resolver = server.resolver();
            let hostile = resolver.turns();
            let mut questions = tokio::task::JoinSet::new();
            for n in 0..20 {
                let hostile = Arc::clone(&hostile);
                questions.spawn(async move { hostile.resolve(format!("hang-{n}")).await });
            }
            server.until_asked(EACH).await;
            // Nobody waits for them any more, and still they have their places.
            questions.shutdown().await;
            assert_eq!(hostile.own.available_permits(), 0);
            assert_eq!(resolver.places.available_permits(), AT_ONCE - EACH);
            assert_eq!(resolver.turns().resolve("example".to_owned()).await, Ok(vec![[192, 0, 2, 1].into()]));
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            assert_eq!(server.asked.lock().unwrap().len(), EACH + 1);
            server.answer();
            assert!(hostile.resolve("example".to_owned()).await.is_ok(), "the places come back");
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_waits_only_so_long_for_an_answer() {
        let server = Arc::new(Server::default());
        let turns = server.resolver().turns();
        let begin = Instant::now();
        assert_eq!(turns.resolve("hang".to_owned()).await, Err(Unresolved::NotNow));
        assert_eq!(begin.elapsed(), WITHIN);
        server.answer();
    }

    #[tokio::test]
    async fn what_the_system_does_not_know_is_told_apart() {
        let turns = Arc::new(Server::default()).resolver().turns();
        assert_eq!(turns.resolve("nobody".to_owned()).await, Err(Unresolved::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn questions_have_a_rate() {
        let turns = Arc::new(Server::default()).resolver().turns();
        let begin = Instant::now();
        for _ in 0..BURST {
            assert!(turns.next() <= begin, "a burst is free");
        }
        assert_eq!(turns.next(), begin + EVERY);
        assert_eq!(turns.next(), begin + EVERY * 2);
        tokio::time::advance(EVERY * BURST * 2).await;
        assert_eq!(turns.next(), Instant::now(), "after a pause there is a burst again");
    }
}
