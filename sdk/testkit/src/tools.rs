//! What every container runtime must do: tools that are containers, each run to its end. The tools are scripts for the shell of the entry's image.

use crate::cases::Outcome;
use crate::stand::{BETWEEN, PATIENCE, PROMPTLY, Stand, call, told};
use crate::{Bench, Row};
use host_provisioner::{Captured, Ending, Provisioner, ServerSpec, ToolOutput, ToolRun, Workload};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes that are kept where a case is about that.
const KEPT: usize = 1000;
/// Bytes that its tool writes to each stream.
const WRITTEN: usize = 3000;
/// A tool that says one thing and then never ends by itself, whatever signal it gets.
const ENDLESS: &str = "trap '' TERM; echo begun; while :; do sleep 1; done";

/// A run of a script.
pub(crate) fn tool(entry: &Arc<ServerSpec>, script: &str) -> ToolRun {
    let mut server = ServerSpec::clone(entry);
    if let Workload::Image { arguments, .. } = &mut server.workload {
        *arguments = ["sh", "-c", script].map(str::to_owned).into();
    }
    ToolRun {
        server: Arc::new(server),
        tool: "testkit".to_owned(),
        timeout: PATIENCE,
        output_limit: 1 << 20,
        input: None,
    }
}

/// Runs every case; none of them stops the others.
pub(crate) async fn contract(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Vec<Row> {
    vec![
        Row::of("checking and planning a tool create nothing", checked(bench, entry).await),
        Row::of("a tool has its real exit code, and its streams stay apart", exits(bench, entry).await),
        Row::of("a tool reads what it is given, and then the end", reads(bench, entry).await),
        Row::of("what a tool writes beyond the limit is left out and counted", limited(bench, entry).await),
        Row::of("a tool whose time is over is killed, and what it wrote is kept", late(bench, entry).await),
        Row::of("tools at once do not touch each other", side_by_side(bench, entry).await),
        Row::of("a tool that nobody waits for any more is taken down", cancelled(bench, entry).await),
        Row::of("whoever drops the call of a tool leaves nothing", dropped(bench, entry).await),
    ]
}

async fn run(stand: &Stand<'_>, run: &ToolRun) -> Result<ToolOutput, String> {
    stand.plugin.run_tool(&call(PATIENCE)?, run).await.map_err(told("run"))
}

fn text(stream: &Captured) -> String {
    String::from_utf8_lossy(&stream.bytes).into_owned()
}

/// Compares how a run ended and what it wrote.
fn expect(output: &ToolOutput, ending: Ending, code: Option<i32>, stdout: &str, stderr: &str) -> Outcome {
    let found = (output.ending, output.exit_code, text(&output.stdout), text(&output.stderr));
    let expected = (ending, code, stdout.to_owned(), stderr.to_owned());
    if found == expected {
        Ok(())
    } else {
        Err(format!("it left {found:?} and should have left {expected:?}"))
    }
}

async fn checked(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let tool = tool(entry, "true");
    stand.plugin.validate_tool(&call(PATIENCE)?, &tool).await.map_err(told("validate"))?;
    stand.plugin.plan_tool(&call(PATIENCE)?, &tool).await.map_err(told("plan"))?;
    let shown = stand.shown().await?;
    stand.end().await?;
    if shown.is_empty() {
        Ok(())
    } else {
        Err(format!("created without being asked to: {}", shown.join(", ")))
    }
}

async fn exits(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    for (script, code, stdout, stderr) in [
        ("echo out; echo err >&2; exit 3", 3, "out\n", "err\n"),
        ("echo out", 0, "out\n", ""),
        ("echo err >&2; exit 255", 255, "", "err\n"),
    ] {
        let output = run(&stand, &tool(entry, script)).await?;
        expect(&output, Ending::Exited, Some(code), stdout, stderr)
            .map_err(|why| format!("`{script}`: {why}"))?;
    }
    stand.end().await
}

async fn reads(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let given = ToolRun { input: Some(b"given\n".to_vec()), ..tool(entry, "cat; echo end") };
    expect(&run(&stand, &given).await?, Ending::Exited, Some(0), "given\nend\n", "")?;
    let nothing = tool(entry, "cat; echo end");
    expect(&run(&stand, &nothing).await?, Ending::Exited, Some(0), "end\n", "")
        .map_err(|why| format!("without input: {why}"))?;
    stand.end().await
}

async fn limited(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let write = format!("head -c {WRITTEN} /dev/zero | tr '\\000' x");
    let script = format!("{write}; {write} >&2");
    let output = run(&stand, &ToolRun { output_limit: KEPT, ..tool(entry, &script) }).await?;
    let kept = "x".repeat(KEPT);
    expect(&output, Ending::Exited, Some(0), &kept, &kept)?;
    let left_out = u64::try_from(WRITTEN - KEPT).ok();
    for (name, stream) in [("output", &output.stdout), ("error", &output.stderr)] {
        if stream.left_out.is_some() && stream.left_out != left_out {
            return Err(format!(
                "{:?} bytes of its standard {name} are said to be left out",
                stream.left_out
            ));
        }
    }
    stand.end().await
}

async fn late(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let time = Duration::from_secs(5);
    let begin = Instant::now();
    let output = run(&stand, &ToolRun { timeout: time, ..tool(entry, ENDLESS) }).await?;
    let (ending, stdout) = (output.ending, text(&output.stdout));
    if (ending, stdout.as_str()) != (Ending::TimedOut, "begun\n") {
        return Err(format!("it ended as {ending:?} and left `{stdout}`"));
    }
    if begin.elapsed() > PROMPTLY + time {
        return Err(format!("it took {:?} where {time:?} were given", begin.elapsed()));
    }
    stand.end().await
}

async fn side_by_side(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let one = tool(entry, "sleep 1; echo one; exit 1");
    let other = tool(entry, "echo other; exit 2");
    let (first, second) = tokio::join!(run(&stand, &one), run(&stand, &other));
    expect(&first?, Ending::Exited, Some(1), "one\n", "")?;
    expect(&second?, Ending::Exited, Some(2), "other\n", "")?;
    stand.end().await
}

/// Waits until something of the tool is on the platform.
async fn begun(stand: &Stand<'_>) -> Outcome {
    let begin = Instant::now();
    while stand.shown().await?.is_empty() {
        if begin.elapsed() > PATIENCE {
            return Err("`enumerate` never shows it while it runs".to_owned());
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(())
}

async fn cancelled(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let (call, endless) = (call(PATIENCE)?, tool(entry, ENDLESS));
    let cancel = async {
        let begun = begun(&stand).await;
        call.cancelled.cancel();
        begun.map(|()| Instant::now())
    };
    let (outcome, since) = tokio::join!(stand.plugin.run_tool(&call, &endless), cancel);
    let took = since?.elapsed();
    if let Ok(output) = outcome {
        return Err(format!("it ended as {:?} although it never ends", output.ending));
    }
    if took > PROMPTLY {
        return Err(format!("it took {took:?} to notice that nobody waits"));
    }
    stand.end().await
}

async fn dropped(bench: &dyn Bench, entry: &Arc<ServerSpec>) -> Outcome {
    let stand = Stand::new(bench).await?;
    let (call, endless) = (call(PATIENCE)?, tool(entry, ENDLESS));
    tokio::select! {
        outcome = stand.plugin.run_tool(&call, &endless) => {
            return Err(format!("it ended although it never ends: {:?}", outcome.map(|output| output.ending)));
        }
        begun = begun(&stand) => begun?,
    }
    stand.end().await
}
