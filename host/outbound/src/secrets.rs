//! Secrets that are kept in a cloud: fetched for the gateway itself, with its own credentials, and never on behalf of a plugin.
//!
//! Whoever asks waits on a thread of his own, so the requests run on one of ours. What was found is kept for a minute: servers ask for their secrets
//! again at each start, and a secret that was changed is seen soon enough.

mod aws;
mod google;

use crate::client::Client;
use crate::surroundings::Surroundings;
use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel as reply_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// How long one look-up may take.
const WITHIN: Duration = Duration::from_secs(20);
/// How long a value is believed, and how long that there is none.
const FRESH: Duration = Duration::from_secs(60);
const ABSENT: Duration = Duration::from_secs(10);
/// Bytes of an answer. A secret has 64 KiB at most, in either cloud.
const ANSWER: usize = 1 << 20;

/// Which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// AWS Secrets Manager.
    Aws {
        /// The region; `None`: that of the surroundings.
        region: Option<String>,
        /// Another address than that of the region.
        endpoint: Option<String>,
        /// What stands before a secret's name there; with `#` at its end the name of one secret, whose JSON object has the names as keys.
        prefix: String,
    },
    /// Google Secret Manager.
    Google {
        /// The project; `None`: that of the surroundings.
        project: Option<String>,
        /// Another address than Google's.
        endpoint: Option<String>,
        /// What stands before a secret's name there.
        prefix: String,
    },
}

/// What was found. Has no `Debug`.
#[derive(Clone)]
pub struct Found {
    /// The value; `None`: the gateway may not read it, but it is there.
    pub value: Option<Arc<Zeroizing<String>>>,
    /// By what id a platform of that cloud finds it.
    pub reference: Option<String>,
}

type Outcome = Result<Option<Found>, String>;

struct Ask {
    name: String,
    reply: std::sync::mpsc::Sender<Outcome>,
}

/// See the module.
pub struct Store {
    kind: Kind,
    around: Surroundings,
    asks: Mutex<Option<mpsc::UnboundedSender<Ask>>>,
    known: Mutex<HashMap<String, (Instant, Option<Found>)>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match &self.kind {
            Kind::Aws { prefix, .. } | Kind::Google { prefix, .. } => prefix,
        };
        match self.kind {
            Kind::Aws { .. } => f.write_str("AWS Secrets Manager")?,
            Kind::Google { .. } => f.write_str("Google Secret Manager")?,
        }
        if prefix.is_empty() { Ok(()) } else { write!(f, " below `{prefix}`") }
    }
}

impl Store {
    /// A store that nobody asked yet: it makes no connection and no thread before.
    #[must_use]
    pub fn new(kind: Kind, around: Surroundings) -> Self {
        Self { kind, around, asks: Mutex::default(), known: Mutex::default() }
    }

    /// The word of the contract for it.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self.kind {
            Kind::Aws { .. } => "aws-secrets-manager",
            Kind::Google { .. } => "google-secret-manager",
        }
    }

    /// Looks one secret up; `None` if there is none of that name. Blocks.
    ///
    /// # Errors
    /// Why the store cannot be asked; nothing of a value.
    pub fn get(&self, name: &str) -> Outcome {
        if let Some((_, known)) = self
            .lock()
            .get(name)
            .filter(|(when, found)| when.elapsed() < if found.is_some() { FRESH } else { ABSENT })
        {
            return Ok(known.clone());
        }
        let (reply, answer) = reply_channel();
        self.worker()?
            .send(Ask { name: name.to_owned(), reply })
            .map_err(|_| "the gateway is ending".to_owned())?;
        let found = answer.recv_timeout(WITHIN).unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => format!("it did not answer within {} s", WITHIN.as_secs()),
                RecvTimeoutError::Disconnected => "the gateway is ending".to_owned(),
            })
        })?;
        self.lock().insert(name.to_owned(), (Instant::now(), found.clone()));
        Ok(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Option<Found>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread on which requests run, made at the first look-up. It ends with the store.
    fn worker(&self) -> Result<mpsc::UnboundedSender<Ask>, String> {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asks) = asks.as_ref() {
            return Ok(asks.clone());
        }
        let (sender, mut receiver) = mpsc::unbounded_channel::<Ask>();
        let (kind, around) = (self.kind.clone(), self.around.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no thread for it: {error}"))?;
        let work = move || {
            let client = Arc::new(Client::new(around));
            runtime.block_on(async move {
                while let Some(ask) = receiver.recv().await {
                    let (client, kind) = (Arc::clone(&client), kind.clone());
                    tokio::spawn(async move {
                        let found = match &kind {
                            Kind::Aws { region, endpoint, prefix } => {
                                aws::get(&client, region.as_deref(), endpoint.as_deref(), prefix, &ask.name)
                                    .await
                            }
                            Kind::Google { project, endpoint, prefix } => {
                                google::get(
                                    &client,
                                    project.as_deref(),
                                    endpoint.as_deref(),
                                    prefix,
                                    &ask.name,
                                )
                                .await
                            }
                        };
                        // Who does not wait any more gets none.
                        let _ = ask.reply.send(found);
                    });
                }
            });
        };
        std::thread::Builder::new()
            .name("secrets".to_owned())
            .spawn(work)
            .map_err(|error| format!("no thread for it: {error}"))?;
        Ok(asks.insert(sender).clone())
    }
}
