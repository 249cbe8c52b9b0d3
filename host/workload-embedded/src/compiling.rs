//! Compiling with bounds. A compilation cannot be stopped, and somebody who makes components can make one that takes for ever; so each
//! has a thread of its own, a place that it keeps until it has really ended, and a time after which nobody waits for it any more.
//!
//! A compilation that is over its time no longer keeps others from compiling, as long as there are few of those: its place is
//! replaced by a spare one. What it compiles is not compiled a second time meanwhile.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Compilations at once. One uses every processor, but a short one should not wait for a long one.
const PLACES: usize = 2;
/// Spare places for those that are over their time.
const SPARE: usize = 3;

/// Threads of one compilation.
const THREADS: usize = 8;

/// What is compiled, by the hash of its content.
pub type Digest = [u8; 32];

/// Places for compilations. Shared by all who wait for them.
pub struct Compilations {
    within: Duration,
    places: Arc<Semaphore>,
    over: Mutex<Over>,
}

#[derive(Default)]
struct Over {
    /// What is still being compiled although its time is over.
    running: Vec<Digest>,
    /// Places that were replaced.
    replaced: usize,
}

/// Why something was not compiled. Completes "was not compiled …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCompiled {
    /// It took longer than this; it goes on, and is not begun again before it has ended.
    TooLong(Duration),
    /// It has been begun before, took too long then, and has not ended.
    StillAtIt(Duration),
    /// So much is being compiled that takes too long that there was no place.
    NoPlace(Duration),
    /// The process is ending, has no thread left, or the compiler has panicked.
    Lost,
}

impl fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(within) => write!(f, "within {}", seconds(*within)),
            Self::StillAtIt(within) => {
                write!(f, "within {} when it was tried before, and that still goes on", seconds(*within))
            }
            Self::NoPlace(within) => {
                write!(f, "because other compilations took all places for {}", seconds(*within))
            }
            Self::Lost => f.write_str("because the compiler was cut short"),
        }
    }
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

/// The place of one compilation.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    replaced: bool,
    ended: bool,
}

impl Compilations {
    /// `within` is how long one may take, and how long it may wait for a place.
    #[must_use]
    pub fn new(within: Duration) -> Arc<Self> {
        Arc::new(Self { within, places: Arc::new(Semaphore::new(PLACES)), over: Mutex::default() })
    }

    fn over(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work`, which compiles `what`. Must be called within a tokio runtime with timers. When the returned future is dropped, what has
    /// begun goes on, with its place.
    ///
    /// # Errors
    /// See [`NotCompiled`].
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        what: Digest,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotCompiled> {
        let within = self.within;
        if self.over().running.contains(&what) {
            return Err(NotCompiled::StillAtIt(within));
        }
        let permit = match tokio::time::timeout(within, Arc::clone(&self.places).acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| NotCompiled::Lost)?,
            Err(_) => return Err(NotCompiled::NoPlace(within)),
        };
        let place = Arc::new(Mutex::new(Place { permit: Some(permit), replaced: false, ended: false }));
        let (tell, mut answer) = oneshot::channel();
        let end = End { ours: Arc::clone(self), what, place: Arc::clone(&place) };
        let thread = std::thread::Builder::new().name("compiler".to_owned());
        let spawned = thread.spawn(move || {
            // Also when the compiler panics; before the answer, so that whoever has it finds the place free.
            let end = end;
            let done = alone(work);
            drop(end);
            let _ = tell.send(done);
        });
        spawned.map_err(|_| NotCompiled::Lost)?;
        // A task, so that the time is looked at also when the caller has gone.
        let ours = Arc::clone(self);
        let watched = tokio::spawn(async move {
            match tokio::time::timeout(within, &mut answer).await {
                Ok(done) => done.map_err(|_| NotCompiled::Lost),
                Err(_) if ours.is_over(what, &place) => Err(NotCompiled::TooLong(within)),
                // It has ended at the last moment.
                Err(_) => answer.await.map_err(|_| NotCompiled::Lost),
            }
        });
        watched.await.unwrap_or(Err(NotCompiled::Lost))
    }

    /// Books a compilation as over its time. False if it has ended meanwhile.
    fn is_over(&self, what: Digest, place: &Mutex<Place>) -> bool {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.ended {
            return false;
        }
        let mut over = self.over();
        over.running.push(what);
        if over.replaced < SPARE {
            over.replaced += 1;
            place.replaced = true;
            self.places.add_permits(1);
        }
        true
    }
}

/// Runs work with a pool of its own for what it does in parallel. In the pool that all share, functions that compile for ever would keep
/// everybody else's from being compiled at all.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let name = |_| "compiler".to_owned();
    match rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// The end of a compilation, however it comes.
struct End {
    ours: Arc<Compilations>,
    what: Digest,
    place: Arc<Mutex<Place>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.ended = true;
        let mut over = self.ours.over();
        if let Some(at) = over.running.iter().position(|what| *what == self.what) {
            over.running.remove(at);
        }
        match place.permit.take() {
            // It has been given back in its stead.
            Some(permit) if place.replaced => {
                over.replaced -= 1;
                permit.forget();
            }
            permit => drop(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    /// Something that compiles until the answer is dropped.
    fn endless() -> (mpsc::Sender<()>, impl FnOnce() + Send) {
        let (hold, held) = mpsc::channel::<()>();
        (hold, move || {
            let _ = held.recv();
        })
    }

    #[tokio::test]
    async fn a_caller_that_goes_leaves_the_place_taken_until_the_compiler_has_ended() {
        let compilations = Compilations::new(LONG);
        let mut holds = Vec::new();
        for n in 0..PLACES {
            let (hold, work) = endless();
            holds.push(hold);
            let ours = Arc::clone(&compilations);
            let caller = tokio::spawn(async move { ours.run([u8::try_from(n).unwrap(); 32], work).await });
            while compilations.places.available_permits() == PLACES - n {
                tokio::task::yield_now().await;
            }
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
        }
        assert_eq!(compilations.places.available_permits(), 0);
        holds.pop();
        assert_eq!(
            compilations.run([9; 32], || 9).await,
            Ok(9),
            "the place comes back with the thread's end"
        );
        holds.clear();
    }

    #[tokio::test]
    async fn what_compiles_for_ever_takes_neither_all_places_nor_a_second_one() {
        let compilations = Compilations::new(Duration::from_millis(50));
        let mut holds = Vec::new();
        for n in 0..SPARE + PLACES {
            let (hold, work) = endless();
            holds.push(hold);
            let what = [u8::try_from(n).unwrap(); 32];
            assert_eq!(compilations.run(what, work).await, Err(NotCompiled::TooLong(compilations.within)));
            let again = compilations.run(what, || ()).await;
            assert_eq!(again, Err(NotCompiled::StillAtIt(compilations.within)));
        }
        // Not one thread more.
        let full = compilations.run([99; 32], || ()).await;
        assert_eq!(full, Err(NotCompiled::NoPlace(compilations.within)));
        assert_eq!(full.unwrap_err().to_string(), "because other compilations took all places for 50 ms");
        holds.clear();
        while compilations.places.available_permits() < PLACES || compilations.over().replaced > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(compilations.run([0; 32], || 7).await, Ok(7), "it is tried again after its end");
    }

    #[tokio::test]
    async fn a_compiler_that_panics_gives_its_place_back() {
        let compilations = Compilations::new(LONG);
        for _ in 0..=PLACES {
            let ended = compilations.run([1; 32], || std::panic::panic_any("as asked")).await;
            assert_eq!(ended.map(|()| 0), Err(NotCompiled::Lost));
        }
    }
}
