//! What a call becomes: the vectors of the reference for tools (`docker-mcp-gateway.md` 11.5), and what a run becomes in turn.

use crate::{answer, evaluate};
use host_provisioner::{Captured, Ending, MountSource, ServerSpec, ToolOutput, ToolRun, ToolSpec, Workload};
use serde_json::{Value, json};

fn tool(command: &[&str], volumes: &[&str], user: &str) -> ToolSpec {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ToolSpec {
        name: "t".to_owned(),
        description: String::new(),
        schema: json!({"type": "object"}),
        annotations: None,
        image: "img".to_owned(),
        command: texts(command),
        volumes: texts(volumes),
        user: user.to_owned(),
    }
}

fn server() -> ServerSpec {
    ServerSpec::new("kit", Workload::Tools { tools: Vec::new() })
}

fn words(run: &ToolRun) -> Vec<String> {
    let Workload::Image { arguments, reference, .. } = &run.server.workload else { panic!("{run:?}") };
    assert_eq!(reference, "img");
    arguments.clone()
}

#[test]
fn arguments_become_words_volumes_and_the_user() {
    let all = tool(
        &[
            "c",
            "{{a}}",
            "{{missing}}",
            "{{l|into}}",
            "{{n}}",
            "x{{n}}",
            "$HOME",
            "{{b}}",
            "{{m}}",
            "{\"k\":\"{{a}}\"}",
        ],
        &["{{p|volume}}", "{{missing}}"],
        "{{u}}",
    );
    let call =
        json!({"a": "A", "l": ["1", "2"], "n": 5, "p": "/tmp/p", "u": "1000", "b": true, "m": {"k": 1}});
    let run = evaluate::run(&server(), &all, &call).unwrap();
    // Where the original prints the name of a type, or drops braces, stands the value (`provisioning.md` 1.7).
    assert_eq!(
        words(&run),
        ["c", "A", "", "1", "2", "5", "x5", "$HOME", "true", "{\"k\":1}", "{\"k\":\"A\"}"]
    );
    assert_eq!(run.server.user.as_deref(), Some("1000"));
    let [mount] = run.server.mounts.as_slice() else { panic!("{:?}", run.server.mounts) };
    assert_eq!(mount.written, "/tmp/p:/tmp/p:ro");
    assert_eq!(mount.source, MountSource::Folder("/tmp/p".into()));
}

#[test]
fn what_is_absent_is_empty() {
    for arguments in [Value::Null, json!(["x"]), json!({"a": null})] {
        let run = evaluate::run(&server(), &tool(&["{{a}}"], &[], "{{u}}"), &arguments).unwrap();
        assert_eq!((words(&run), run.server.user.clone()), (vec![String::new()], None), "{arguments}");
    }
    let run =
        evaluate::run(&server(), &tool(&["{{l}}"], &[], "{{u}}"), &json!({"l": [null, 1], "u": 1_000_000}))
            .unwrap();
    assert_eq!(
        (words(&run), run.server.user.clone()),
        (vec!["<nil>".to_owned(), "1".to_owned()], Some("1000000".to_owned()))
    );
}

#[test]
fn what_cannot_be_is_refused_before_anything_runs() {
    let refuse = |tool: &ToolSpec, arguments: Value| evaluate::run(&server(), tool, &arguments).unwrap_err();
    assert_eq!(
        refuse(&tool(&[], &["{{v}}"], ""), json!({"v": "--privileged"})),
        "validate volume for t: `volumes` has `--privileged`, which looks like a flag"
    );
    assert_eq!(refuse(&tool(&[], &[], "{{u}}"), json!({"u": "-x"})), "user of t: `-x` looks like a flag");
    let mut typed = tool(&[], &[], "");
    typed.schema = json!({"type": "object", "required": ["p"], "properties": {"p": {"type": "string"}, "n": {"type": "integer"}}});
    assert_eq!(refuse(&typed, json!({})), "tool t needs the argument `p`");
    assert_eq!(refuse(&typed, json!({"p": 1})), "tool t: the argument `p` must be of type string");
    assert_eq!(
        refuse(&typed, json!({"p": "", "n": 1.5})),
        "tool t: the argument `n` must be of type integer"
    );
    evaluate::run(&server(), &typed, &json!({"p": "", "n": 2.0})).unwrap();
}

#[test]
fn a_plan_shows_arguments_by_their_names() {
    let mut kit = tool(&["convert", "{{path}}", "{{flags|into}}"], &["{{path|volume}}"], "");
    kit.schema = json!({"properties": {"path": {"type": "string"}, "flags": {"type": "array"}}});
    assert_eq!(words(&evaluate::example(&server(), &kit)), ["convert", "{{path}}", "{{flags}}"]);
}

fn output(ending: Ending, exit_code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> ToolOutput {
    let captured = |bytes: &[u8]| Captured { bytes: bytes.to_vec(), left_out: Some(0) };
    ToolOutput { ending, exit_code, stdout: captured(stdout), stderr: captured(stderr), fields: Vec::new() }
}

#[test]
fn standard_output_is_the_result_and_failures_say_why() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let done = answer::of("t", &output(Ending::Exited, Some(0), b"a\n", b"warning"));
    assert_eq!(done, json!({"content": [text("a\n")], "isError": false, "_meta": {"gateway/exitCode": 0}}));
    let failed = answer::of("t", &output(Ending::Exited, Some(3), b"partial\n", b"no such file\n"));
    let why = text("exit code 3; standard error:\nno such file");
    assert_eq!(
        failed,
        json!({"content": [text("partial\n"), why], "isError": true, "_meta": {"gateway/exitCode": 3}})
    );
    let late = answer::of("t", &output(Ending::TimedOut, None, b"so far", b""));
    assert_eq!(
        late,
        json!({"content": [text("so far"), text("it was killed because its time was over")], "isError": true})
    );
    let binary = answer::of("t", &output(Ending::Exited, Some(0), &[0xff, 0], b""));
    assert_eq!(binary["content"][0]["resource"]["blob"], "/wA=");
    let mut long = output(Ending::Exited, Some(0), b"head", b"");
    long.stdout.left_out = Some(7);
    assert_eq!(
        answer::of("t", &long)["content"][1],
        text("7 further bytes of its standard output were left out")
    );
}
