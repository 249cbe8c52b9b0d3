//! A future that is polled when it was woken, and then as often as it wakes itself.
//!
//! hyper hands the pieces of a request over within one task and wakes that task each time. The runtime takes such a wake for work that
//! somebody else could do: it puts the task at the end of its queue and wakes another worker, which finds nothing to do. That was a system
//! call and a switch of threads twice per request, more than everything else a request costs here. And futures that wait for rare events
//! beside the one that works were asked at every poll.

use futures_util::task::AtomicWaker;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls on the spot before others get their turn.
const MOST: usize = 8;

/// Nothing to do before the next wake.
const IDLE: u8 = 0;
/// Being polled.
const POLLED: u8 = 1;
/// To be polled.
const WOKEN: u8 = 2;

struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who is woken already is about to be polled, and who is being polled looks afterwards.
        if self.state.swap(WOKEN, Ordering::AcqRel) == IDLE {
            self.task.wake();
        }
    }
}

/// See the module.
pub(super) struct Woken<F> {
    future: F,
    bell: Arc<Bell>,
    waker: Waker,
}

impl<F: Future + Unpin> Woken<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { state: AtomicU8::new(WOKEN), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&bell));
        Self { future, bell, waker }
    }

    /// The future. What is done to it is seen, as if it had been woken.
    pub(super) fn get(&mut self) -> &mut F {
        self.bell.state.store(WOKEN, Ordering::Release);
        &mut self.future
    }
}

impl<F: Future + Unpin> Future for Woken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, bell, waker } = &mut *self;
        // Before the look at the state: a wake after it finds whom to tell.
        bell.task.register(context.waker());
        if bell.state.load(Ordering::Acquire) == IDLE {
            return Poll::Pending;
        }
        for _ in 0..MOST {
            bell.state.swap(POLLED, Ordering::AcqRel);
            if let Poll::Ready(value) = Pin::new(&mut *future).poll(&mut Context::from_waker(waker)) {
                bell.state.store(WOKEN, Ordering::Release);
                return Poll::Ready(value);
            }
            let rests = bell.state.compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire);
            if rests.is_ok() {
                return Poll::Pending;
            }
        }
        // It stays woken; now others.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    /// A task that counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls a future that wakes itself in its first `wakes` polls, and again after each of `then`, which says whether it was woken before. Gives how
    /// often the future was polled and the task woken by then.
    fn story(wakes: usize, then: [bool; 3]) -> Vec<(usize, usize)> {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let polls = AtomicUsize::new(0);
        let own = Mutex::new(None::<Waker>);
        let mut woken = Woken::new(poll_fn(|context| {
            *own.lock().unwrap() = Some(context.waker().clone());
            if polls.fetch_add(1, Ordering::SeqCst) < wakes {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        let mut seen = Vec::new();
        let mut poll = || {
            assert!(Pin::new(&mut woken).poll(&mut Context::from_waker(&waker)).is_pending());
            seen.push((polls.load(Ordering::SeqCst), task.0.load(Ordering::SeqCst)));
        };
        poll();
        let inner = own.lock().unwrap().clone().unwrap();
        for wake in then {
            if wake {
                inner.wake_by_ref();
            }
            poll();
        }
        seen
    }

    #[test]
    fn who_wakes_itself_is_polled_again_and_the_task_is_not_woken() {
        assert_eq!(story(2, [false; 3])[0], (3, 0));
    }

    #[test]
    fn who_was_not_woken_is_left_alone() {
        let seen = story(0, [false, true, false]);
        assert_eq!(seen, [(1, 0), (1, 0), (2, 1), (2, 1)]);
    }

    #[test]
    fn who_never_rests_lets_others_have_their_turn() {
        let seen = story(usize::MAX, [false; 3]);
        assert_eq!(seen, [(MOST, 1), (2 * MOST, 2), (3 * MOST, 3), (4 * MOST, 4)]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_is_lost_between_threads() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let sending = tokio::spawn(async move {
            for number in 0..20_000_u32 {
                sender.send(number).await.unwrap();
            }
        });
        let received = tokio::spawn(Woken::new(Box::pin(async move {
            let mut next = 0;
            while let Some(number) = receiver.recv().await {
                assert_eq!(number, next);
                next += 1;
            }
            next
        })));
        sending.await.unwrap();
        assert_eq!(received.await.unwrap(), 20_000);
    }
}
