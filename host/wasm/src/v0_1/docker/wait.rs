//! Waiting for the first of several conditions.

use super::Docker;
use crate::sanitize::line;
use crate::v0_1::bounds::Bounded;
use crate::v0_1::imported::docker::Condition;
use crate::v0_1::types::{Failure, FailureCategory};
use host_workload_docker::Health;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks. What the engine announces is looked at when it does.
const PACE: Duration = Duration::from_millis(250);

impl Docker<'_> {
    /// Index of the first that is met.
    pub(super) async fn wait_for_one(
        &self,
        conditions: &[Condition],
        time: Duration,
    ) -> Result<u32, Failure> {
        let ends = Instant::now() + time;
        let mut watched =
            conditions.iter().find_map(|condition| self.host.containers.watched(of(condition)?));
        loop {
            for (index, condition) in (0..).zip(conditions) {
                if self.is_met(condition).await? {
                    return Ok(index);
                }
            }
            let change = async {
                match &mut watched {
                    Some(watched) => watched.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.call.cancelled.cancelled() => {
                    return Err(self.refuse(FailureCategory::Cancelled, "nobody waits any more"));
                }
                () = tokio::time::sleep_until(ends) => {
                    let text = format!("wait for {} conditions: none came in {} ms", conditions.len(), time.as_millis());
                    return Err(self.refuse(FailureCategory::Timeout, text));
                }
                () = change => {}
                () = tokio::time::sleep(PACE) => {}
            }
        }
    }

    async fn is_met(&self, condition: &Condition) -> Result<bool, Failure> {
        match condition {
            Condition::Running(container) => {
                Ok(self.own(container).await?.is_some_and(|info| info.is_running()))
            }
            // One that is gone has ended.
            Condition::Exited(container) => Ok(self
                .own(container)
                .await?
                .is_none_or(|info| matches!(info.state.as_str(), "exited" | "dead"))),
            Condition::Healthy(container) => {
                Ok(self.own(container).await?.is_some_and(|info| info.health == Health::Healthy))
            }
            Condition::Listening((container, port)) => self.answers(container, *port, None).await,
            Condition::Responding(check) => {
                self.answers(&check.container, check.container_port, Some(&check.path)).await
            }
            Condition::Other(json) => {
                let text = format!("this gateway does not know the condition {}", line(json, 200));
                Err(self.refuse(FailureCategory::Unsupported, text))
            }
        }
    }
}

/// The container of a condition.
fn of(condition: &Condition) -> Option<&str> {
    match condition {
        Condition::Running(container) | Condition::Exited(container) | Condition::Healthy(container) => {
            Some(container)
        }
        Condition::Listening((container, _)) => Some(container),
        Condition::Responding(check) => Some(&check.container),
        Condition::Other(_) => None,
    }
}

impl Bounded for Condition {
    fn bounded(&self) -> Result<(), crate::limits::Met> {
        match self {
            Self::Running(text) | Self::Exited(text) | Self::Healthy(text) | Self::Other(text) => {
                text.bounded()
            }
            Self::Listening((container, _)) => container.bounded(),
            Self::Responding(check) => {
                check.container.bounded()?;
                check.path.bounded()
            }
        }
    }
}
