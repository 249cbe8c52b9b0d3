//! Interceptors that are containers: what `docker run --rm --init IMAGE ARGUMENTS` runs, through the engine's API. The original forgets `-i`, so
//! that nothing arrives on standard input; here it does.

use crate::exec::complaint;
use crate::words::split;
use crate::{OUTPUT, Say, WITHIN, too_much, too_slow};
use async_trait::async_trait;
use bytes::Bytes;
use host_gateway::{Interceptor, When};
use host_workload_docker::{ContainerSpec, DockerEngine, Ending, Error, ImageRequest};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines of standard error that are shown of one run.
const LINES: usize = 1000;

struct Container {
    when: When,
    argument: String,
    docker: Result<Arc<DockerEngine>, Error>,
    labels: Vec<(String, String)>,
    say: Say,
}

pub(crate) fn new(
    when: When,
    argument: String,
    docker: Result<Arc<DockerEngine>, Error>,
    labels: Vec<(String, String)>,
    say: Say,
) -> Arc<dyn Interceptor> {
    Arc::new(Container { when, argument, docker, labels, say })
}

#[async_trait]
impl Interceptor for Container {
    fn when(&self) -> When {
        self.when
    }

    async fn run(&self, input: Bytes) -> Result<Option<Bytes>, String> {
        let (image, arguments) = words(&self.argument)?;
        let engine = self.docker.as_ref().map_err(ToString::to_string)?;
        let found = engine.ensure_image(&ImageRequest::new(&image), |_| ()).await;
        let found = found.map_err(|error| error.to_string())?;
        let spec = ContainerSpec {
            arguments,
            init: true,
            labels: self.labels.clone(),
            // What was looked at is what runs.
            ..ContainerSpec::new(name(), found.id)
        };
        let ran = engine.run(&spec, Some(input), OUTPUT, WITHIN).await.map_err(|error| error.to_string())?;
        for line in ran.stderr.bytes.split_inclusive(|byte| *byte == b'\n').take(LINES) {
            complaint(line, &self.say);
        }
        match ran.ending {
            Ending::Exited(0) if ran.stdout.is_cut() => Err(too_much()),
            Ending::Exited(0) => Ok(Some(Bytes::from(ran.stdout.bytes)).filter(|output| !output.is_empty())),
            Ending::Exited(code) => Err(format!("exit status {code}")),
            Ending::OutOfMemory(code) => Err(format!("exit status {code} (killed for want of memory)")),
            Ending::TimedOut => Err(too_slow()),
            Ending::Lost => Err("the engine does not know how the container ended".to_owned()),
        }
    }
}

/// The image and what follows it.
fn words(argument: &str) -> Result<(String, Vec<String>), String> {
    let words = split(argument).ok_or("parsing docker arguments: a quote is not closed")?;
    let mut words = words.into_iter();
    let image = words.next().ok_or("parsing docker arguments: no image is named")?;
    if image.starts_with('-') {
        return Err(format!(
            "parsing docker arguments: `{image}` stands where the image does; options of `docker run` cannot be given"
        ));
    }
    Ok((image, words.collect()))
}

/// A name that no other container has.
fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("gateway-interceptor-{}-{:x}-{next}", std::process::id(), since.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_as_a_shell_splits_them() {
        let (image, arguments) = words("acme/guard:1 --mode 'a b' c\\ d").unwrap();
        assert_eq!(image, "acme/guard:1");
        assert_eq!(arguments, ["--mode", "a b", "c d"]);
        assert_eq!(words("").unwrap_err(), "parsing docker arguments: no image is named");
        assert_eq!(words("i 'x").unwrap_err(), "parsing docker arguments: a quote is not closed");
        let why = "parsing docker arguments: `--privileged` stands where the image does; options of `docker run` cannot be given";
        assert_eq!(words("--privileged i").unwrap_err(), why);
        assert_ne!(name(), name());
    }
}
