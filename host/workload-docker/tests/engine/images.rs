//! Images, with the registry of the test environment.

use crate::bench::{ARGV, Bench, part, with_engine};
use host_workload_docker::{ErrorKind, ImageRequest, PullPolicy};
use std::sync::atomic::{AtomicU32, Ordering};

fn registry() -> Option<String> {
    part("registry", "GATEWAY_TEST_REGISTRY")
}

async fn refused(bench: &Bench, request: &ImageRequest) -> host_workload_docker::Error {
    bench.engine.ensure_image(request, |_| {}).await.unwrap_err()
}

#[test]
fn an_image_that_is_there_is_not_pulled() {
    with_engine(|bench| async move {
        let heard = AtomicU32::new(0);
        let mut request = ImageRequest::new(ARGV);
        let count = |_: &_| {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let image = bench.engine.ensure_image(&request, count).await.unwrap();
        request.pull = PullPolicy::Never;
        assert_eq!(bench.engine.ensure_image(&request, count).await.unwrap(), image);
        assert_eq!(heard.load(Ordering::Relaxed), 0);
        assert!(image.id.starts_with("sha256:") && !image.entrypoint.is_empty());
        assert_eq!(image.user, "65534");
        assert_eq!(image.environment_names, ["PATH"]);
    });
}

#[test]
fn an_image_that_is_nowhere_is_named_with_the_way_out() {
    with_engine(|bench| async move {
        let mut request = ImageRequest::new("acme.invalid/notes:9");
        request.pull = PullPolicy::Never;
        let error = refused(&bench, &request).await;
        assert_eq!(error.kind, ErrorKind::Image);
        assert_eq!(
            error.text,
            "find image `acme.invalid/notes:9`: it is not on the engine, and is not to be pulled"
        );
        assert_eq!(error.hint.unwrap(), "fetch it with `docker pull acme.invalid/notes:9`");
        request.pull = PullPolicy::Missing;
        let error = refused(&bench, &request).await;
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        assert_eq!(bench.engine.image("a b").await.unwrap_err().kind, ErrorKind::Image);
    });
}

#[test]
fn a_registry_that_does_not_have_it_says_so() {
    let Some(registry) = registry() else { return };
    with_engine(move |bench| async move {
        let error = refused(&bench, &ImageRequest::new(format!("{registry}/mcp/argv:no-such-tag"))).await;
        assert_eq!(error.kind, ErrorKind::Image, "{error}");
        assert_eq!(error.hint.unwrap(), "check the name and the tag of the image");
    });
}

#[test]
fn a_pull_reports_how_it_goes_and_two_are_one() {
    let Some(registry) = registry() else { return };
    with_engine(move |bench| async move {
        let mut request = ImageRequest::new(format!("{registry}/mcp/argv:1"));
        request.pull = PullPolicy::Always;
        let heard = AtomicU32::new(0);
        let count = |_: &_| {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let both = tokio::join!(
            bench.engine.ensure_image(&request, count),
            bench.engine.ensure_image(&request, |_| {})
        );
        assert_eq!(both.0.unwrap(), both.1.unwrap());
        assert!(heard.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn a_digest_pins_what_runs() {
    let Some(registry) = registry() else { return };
    with_engine(move |bench| async move {
        let mut request = ImageRequest::new(format!("{registry}/mcp/argv:1"));
        let digest = bench.engine.resolve_image(&request).await.unwrap();
        assert!(digest.starts_with("sha256:"), "{digest}");
        request.digest = Some(digest.clone());
        let image = bench.engine.ensure_image(&request, |_| {}).await.unwrap();
        assert_eq!(image.digest.as_deref(), Some(digest.as_str()));
        // Another digest is another image, whatever the tag says.
        let other = format!("sha256:{}", "0".repeat(64));
        request.digest = Some(other.clone());
        assert_eq!(refused(&bench, &request).await.kind, ErrorKind::Image);
        request.reference = format!("{registry}/mcp/argv:1@{digest}");
        assert_eq!(
            refused(&bench, &request).await.text,
            format!("use image `{}`: exactly `{other}` was asked for", request.reference)
        );
        request.digest = Some("latest".to_owned());
        assert_eq!(refused(&bench, &request).await.text, "`latest` is no digest of an image");
    });
}
