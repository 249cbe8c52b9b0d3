//! Tools: containers that run to their end.

use super::{double::Aws, host, notes};
use crate::Ecs;
use gateway_plugin::fake;
use gateway_plugin::types::{ImageWorkload, ToolContainer, Unenforced};
use gateway_plugin::{Context, FailureCategory, ReleaseReason, Workload};

fn tool() -> ToolContainer {
    let image = fake::image_server("lint", "acme/lint:1").workload;
    let Workload::Image(ImageWorkload { arguments, .. }) = &image else { panic!("an image") };
    assert!(arguments.is_empty());
    fake::tool("lint", image)
}

fn lenient() -> Context {
    Context { unenforced: Unenforced::Report, ..fake::context() }
}

#[test]
fn a_tool_runs_to_its_end_and_leaves_its_output_only() {
    let aws = Aws::new();
    let host = host(&aws).with_context(lenient());
    aws.ends_with(7, &["one", "two"]);
    let ran = host.run_tool::<Ecs>(&tool()).expect("it runs");
    assert_eq!(ran.output.bytes(), (b"one\ntwo\n".as_slice(), b"".as_slice()));
    assert_eq!((ran.output.exit_code(), ran.output.is_truncated()), (Some(7), false));
    let fields: Vec<_> = ran.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["output.stderr-apart", "output.byte-exact"]);
    assert_eq!(aws.left(), [""; 0]);
    let short = ToolContainer { output_limit: 5, ..tool() };
    let next = Context { request: "r999999999999999".to_owned(), ..lenient() };
    let ran = super::host(&aws).with_context(next).run_tool::<Ecs>(&short).expect("it runs");
    assert_eq!(ran.output.bytes().0, b"one\nt");
    assert!(ran.output.is_truncated());
    let error = super::host(&aws).run_tool::<Ecs>(&tool()).expect_err("the streams cannot be kept apart");
    assert_eq!(error.category(), FailureCategory::Config);
}

#[test]
fn a_tool_that_does_not_end_is_ended_and_what_was_begun_is_undone() {
    let aws = Aws::new();
    let host = host(&aws).with_context(lenient());
    let ran = host.run_tool::<Ecs>(&tool()).expect("its time is over");
    assert_eq!(ran.output.ending(), gateway_plugin::connection::Ending::TimedOut);
    assert_eq!(aws.left(), [""; 0]);
    let calls = host.calls().len();
    for n in 1..=calls {
        let aws = Aws::new();
        let host = super::host(&aws).with_context(lenient());
        host.cut_after(n);
        drop(host.run_tool::<Ecs>(&tool()));
        host.stop_tool::<Ecs>(ReleaseReason::Unfinished).expect("stopped");
        assert_eq!(aws.left(), [""; 0], "cut after host call {n}");
    }
}

#[test]
fn what_carries_secrets_or_wants_input_is_no_tool_here() {
    let aws = Aws::new();
    let host = host(&aws).with_context(lenient());
    let secret = ToolContainer { environment: notes().environment, secrets: notes().secrets, ..tool() };
    let error = host.run_tool::<Ecs>(&secret).expect_err("its output cannot be read");
    assert_eq!(error.category(), FailureCategory::Permission);
    let fed = ToolContainer { input: Some(b"x".to_vec()), ..tool() };
    let error = host.run_tool::<Ecs>(&fed).expect_err("there is no input");
    assert_eq!(error.category(), FailureCategory::Unsupported);
    assert_eq!(aws.left(), [""; 0]);
}
