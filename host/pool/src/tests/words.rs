//! What servers print is kept and told without the secrets that they were given, wherever a text is cut.

use super::harness::*;
use crate::tail::Tail;
use crate::{AcquireError, Owner, PoolConfig};
use host_provisioner::{Blot, Blotter, Found, Lifetime};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

const VALUE: &str = "hush-of-the-server-7f3";

/// Knows what one server was given.
struct Knows(String);

impl Blot for Knows {
    fn find(&self, scope: &str, text: &[u8]) -> Found {
        if scope != self.0 {
            return Found { hidden: Vec::new(), open: text.len() };
        }
        let hidden = text.windows(VALUE.len()).enumerate().filter(|(_, part)| *part == VALUE.as_bytes());
        let begins = |at: &usize| VALUE.len() > text.len() - at && VALUE.as_bytes().starts_with(&text[*at..]);
        let open = (0..text.len()).find(begins).unwrap_or(text.len());
        Found { hidden: hidden.map(|(at, part)| at..at + part.len()).collect(), open }
    }
}

/// Why a server of this manner does not come up.
async fn failure(manner: Manner) -> String {
    let stage = Stage::one(manner);
    let id = stage.entry("a", Lifetime::Session).spec.id.as_str().to_owned();
    let blotter = Blotter::new(Arc::new(Knows(id)), "");
    let pool = stage.pool_with(PoolConfig { blotter, ..PoolConfig::default() });
    match pool.acquire("a", &Owner::Shared, None).await {
        Err(AcquireError::Failed { failure, .. }) => failure.one_line(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_message_is_told_without_values() {
    let printing = |line: String| failure(Arc::new(move |_| vec![Say::Line(line.clone()), Say::Die]));
    let text = printing(format!("starting with {VALUE}")).await;
    assert!(text.contains("instead of MCP it printed `starting with ***`"), "{text}");
    // The value stands where the line is cut that is shown.
    let text = printing(format!("{}{VALUE}", "x".repeat(110))).await;
    assert!(text.contains("xx***`") && !text.contains("hush"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_handshake_is_told_without_values() {
    for (code, refused) in [(-32603, "initialize"), (-32022, "server/discover")] {
        let said = format!("{}{VALUE}", "x".repeat(1010));
        let text = failure(Arc::new(move |message| error(message, code, &said))).await;
        let expected = format!("the server refused `{refused}` with error {code}: xx");
        assert!(text.contains(&expected) && text.contains("xx***") && !text.contains("hush"), "{text}");
    }
}

#[tokio::test]
async fn last_words_are_kept_without_values_that_come_in_pieces() {
    for cut in 1..VALUE.len() {
        let (theirs, ours) = tokio::io::duplex(4096);
        let tail = Tail::new(true);
        let reading = tokio::spawn(Arc::clone(&tail).read(
            Arc::from("a"),
            Box::new(ours),
            Blotter::new(Arc::new(Knows(String::new())), ""),
        ));
        let mut theirs = theirs;
        let (first, second) = VALUE.split_at(cut);
        for piece in ["I know ", first, second, "; and hush"] {
            theirs.write_all(piece.as_bytes()).await.unwrap();
            // The reader takes it before more comes.
            tokio::task::yield_now().await;
        }
        drop(theirs);
        reading.await.unwrap();
        assert_eq!(tail.last_words().await.as_deref(), Some("I know ***; and hush"), "cut at {cut}");
    }
}
