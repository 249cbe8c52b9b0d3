//! The pipe alone, without a guest.

use super::*;
use crate::pipe::guest::{Input, Output};
use crate::pipe::host::{Stderr, Stdin, Stdout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime_wasi::p2::{InputStream, OutputStream, StreamError};

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_line_goes_through_in_one_piece() {
    let pipe = Pipe::new(WhenFull::Wait);
    let (mut host, mut guest) = (Stdin::new(Arc::clone(&pipe)), Input(pipe));
    host.write_all(b"one line\n").await.unwrap();
    assert_eq!(guest.blocking_read(8192).await.unwrap(), "one line\n");
    assert_eq!(host.write_vectored(&[IoSlice::new(b"another"), IoSlice::new(b"\n")]).await.unwrap(), 8);
    assert_eq!(guest.blocking_read(8192).await.unwrap(), "another\n");
    drop(host);
    assert!(matches!(guest.blocking_read(8192).await, Err(StreamError::Closed)));
}

#[tokio::test]
async fn a_reader_is_woken_once_per_message() {
    let pipe = Pipe::new(WhenFull::Wait);
    let counter = Arc::new(Counter::default());
    let waker = Arc::clone(&counter).into();
    let cx = Context::from_waker(&waker);
    assert!(pipe.poll_readable(&cx).is_pending());
    let mut guest = Output::new(Arc::clone(&pipe));
    for _ in 0..10 {
        guest.blocking_write_and_flush(Bytes::from_static(b"piece")).await.unwrap();
    }
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    let mut host = Stdout::new(pipe);
    let mut text = [0; 50];
    host.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"piece".repeat(10).as_slice());
}

#[tokio::test]
async fn a_large_message_arrives_whole_through_a_small_pipe() {
    let pipe = Pipe::new(WhenFull::Wait);
    let (mut host, mut guest) = (Stdin::new(Arc::clone(&pipe)), Input(Arc::clone(&pipe)));
    let message: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sent = message.clone();
    let writer = tokio::spawn(async move { host.write_all(&sent).await });
    let mut got = Vec::new();
    while let Ok(piece) = guest.blocking_read(8192).await {
        assert!(pipe.lock().cost <= CAPACITY, "the pipe grew to {}", pipe.lock().cost);
        got.extend_from_slice(&piece);
    }
    writer.await.unwrap().unwrap();
    assert!(got == message, "the message was changed on its way");
}

#[tokio::test]
async fn small_pieces_are_read_together() {
    let pipe = Pipe::new(WhenFull::Wait);
    let (mut host, mut guest) = (Stdin::new(Arc::clone(&pipe)), Input(pipe));
    for _ in 0..3 {
        host.write_all(b"abcd\n").await.unwrap();
    }
    assert_eq!(InputStream::read(&mut guest, 12).unwrap(), "abcd\nabcd\nab");
    assert_eq!(InputStream::read(&mut guest, 12).unwrap(), "cd\n");
    assert_eq!(InputStream::read(&mut guest, 12).unwrap(), "");
}

#[test]
fn single_bytes_do_not_fill_the_host() {
    let pipe = Pipe::new(WhenFull::Wait);
    let mut count = 0;
    while pipe.try_room().unwrap() > 0 {
        assert!(pipe.push(Bytes::from_static(b"x")));
        count += 1;
    }
    assert!(count < CAPACITY / PIECE_COST, "{count} pieces were taken");
}

#[test]
fn permits_taken_for_many_handles_are_not_all_honoured() {
    let pipe = Pipe::new(WhenFull::Wait);
    let mut handles: Vec<Output> = (0..100).map(|_| Output::new(Arc::clone(&pipe))).collect();
    let permits: Vec<usize> = handles.iter_mut().map(|handle| handle.check_write().unwrap()).collect();
    let mut refused = 0;
    for (handle, permit) in handles.iter_mut().zip(permits) {
        match OutputStream::write(handle, vec![0; permit].into()) {
            Ok(()) => {}
            Err(StreamError::Trap(e)) => {
                assert!(e.to_string().contains("more was written"), "{e}");
                refused += 1;
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(refused > 90, "only {refused} were refused");
    assert!(pipe.lock().cost <= 2 * CAPACITY + PIECE_COST);
}

#[test]
fn writing_without_permit_is_the_end() {
    let mut guest = Output::new(Pipe::new(WhenFull::Wait));
    assert!(matches!(OutputStream::write(&mut guest, Bytes::from_static(b"x")), Err(StreamError::Trap(_))));
}

#[tokio::test]
async fn what_nobody_reads_is_dropped_oldest_first() {
    let pipe = Pipe::new(WhenFull::DropOldest);
    let mut guest = Output::new(Arc::clone(&pipe));
    for n in 0..1000 {
        guest.blocking_write_and_flush(format!("{n:>1023}\n").into()).await.unwrap();
    }
    let mut host = Stderr::new(Arc::clone(&pipe));
    assert!(host.dropped() > 800_000, "{}", host.dropped());
    pipe.close_writer();
    let mut text = String::new();
    host.read_to_string(&mut text).await.unwrap();
    assert!(text.trim_end().ends_with("999"));
    assert_eq!(text.len() as u64 + host.dropped(), 1_024_000);
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_output_but_not_complaints() {
    let pipe = Pipe::new(WhenFull::Wait);
    drop(Stdout::new(Arc::clone(&pipe)));
    let closed = Output::new(pipe).blocking_write_and_flush(Bytes::from_static(b"x")).await;
    assert!(matches!(closed, Err(StreamError::Closed)));
    let pipe = Pipe::new(WhenFull::DropOldest);
    drop(Stderr::new(Arc::clone(&pipe)));
    Output::new(pipe).blocking_write_and_flush(Bytes::from_static(b"x")).await.unwrap();
}
