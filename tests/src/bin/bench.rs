//! `cargo build --release -p gateway-tests --bins`, then `target/release/bench`: prints one table of figures beside the budgets of design 10
//! and a baseline of the same run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gateway_tests::bench::load::LoadClient;
use gateway_tests::bench::report::Report;
use gateway_tests::bench::{Effort, catalog, cluster, docker, embedded, engines, relay, soak, start};
use gateway_tests::harness::Scene;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Measures the gateway beside baselines of the same run
#[derive(Debug, Parser)]
struct Args {
    /// A short run, to see that everything is in its place
    #[arg(long)]
    quick: bool,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Instead of figures: sessions that call for so many minutes while their servers are killed; ends with 1 if a call was lost or memory grew
    #[arg(long, value_name = "MINUTES", num_args = 0..=1, default_missing_value = "20", conflicts_with_all = ["quick", "json", "groups"])]
    soak: Option<f64>,
    /// The gateway to measure (default: built now, as this program was)
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// The load client; without it, what needs one is skipped
    #[arg(long, value_name = "FILE", env = "GATEWAY_TEST_MCPLOAD")]
    load_client: Option<PathBuf>,
    /// Only what has one of these words in its group: engines, catalog, start, memory, relay, embedded, docker; and cluster, which is
    /// measured only when it is named
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        eprintln!("warning: a debug build; its figures mean nothing, use `cargo run --release`");
    }
    let gateway = match &args.gateway {
        // Measured processes have folders of their own.
        Some(gateway) => std::path::absolute(gateway)?,
        None => built("host-cli", "gateway")?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(minutes) = args.soak {
        let server = stdio_server(args.gateway.is_some())?;
        return runtime.block_on(soak(gateway, &server, Duration::from_secs_f64(minutes * 60.0)));
    }
    if args.load_client.is_some()
        && (args.groups.is_empty() || args.groups.iter().any(|group| group == "relay"))
    {
        stdio_server(args.gateway.is_some())?;
    }
    let report = runtime.block_on(measure(gateway, args.quick, args.load_client, args.groups))?;
    if args.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

/// A server of the relay's figures and of the soak. Who brings a gateway along has built it.
fn stdio_server(brought: bool) -> Result<PathBuf> {
    if !brought {
        return built("gateway-tests", "stdio-server");
    }
    let server = beside("stdio-server")?;
    ensure!(
        server.is_file(),
        "`{}` is not there; `cargo build --package gateway-tests --bins` makes it, with `--release` as this program was built",
        server.display()
    );
    Ok(server)
}

/// Builds a program with the profile of this one. Cargo only builds what is asked to run.
fn built(package: &str, program: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", package, "--bin", program]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(gateway_tests::contract::repository()).status().context("run cargo")?;
    ensure!(status.success(), "`{program}` could not be built");
    beside(program)
}

/// A program in the folder of this one.
fn beside(program: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    Ok(own.with_file_name(program))
}

async fn soak(gateway: PathBuf, server: &Path, time: Duration) -> Result<()> {
    let shared = tempfile::tempdir()?;
    let scene = Scene::new(gateway, shared.path());
    scene.component("echo.wasm", &test_artifacts::guest("echo-server"));
    let soaked = soak::run(&scene, server, time, |line| println!("{line}")).await;
    println!("{soaked:?}");
    ensure!(soaked.is_good(), "a call was lost, or the memory grew");
    Ok(())
}

async fn measure(
    gateway: PathBuf,
    quick: bool,
    load_client: Option<PathBuf>,
    groups: Vec<String>,
) -> Result<Report> {
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let wanted = |group: &str| groups.is_empty() || groups.iter().any(|wanted| wanted == group);
    let shared = tempfile::tempdir()?;
    let scene = Scene::new(gateway, shared.path());
    scene.component("echo.wasm", &test_artifacts::guest("echo-server"));
    scene.component("tools.wasm", &test_artifacts::guest("tool-server"));
    scene.settings("servers:\n  echo: {component: ./echo.wasm}\n");
    let client = load_client.map(|program| LoadClient::new(&program));
    let mut report = Report::default();
    if wanted("engines") {
        scene.run(["plugin", "export", "exported"]).await.expect_code(0);
        engines::measure(&mut report, effort, &scene.work().join("exported/embedded.wasm")).await;
    }
    if wanted("catalog") {
        catalog::measure(&mut report, effort);
    }
    if wanted("start") {
        start::lists(&mut report, effort, &scene, client.as_ref()).await;
    }
    if wanted("memory") {
        start::memory(&mut report, effort, &scene).await;
    }
    if groups.iter().any(|group| group == "cluster") {
        cluster::measure(&mut report, effort, scene).await;
        return Ok(report);
    }
    let Some(client) = client else {
        report.skip("latency and processor time per call: no load client (set GATEWAY_TEST_MCPLOAD)");
        return Ok(report);
    };
    if wanted("relay") {
        relay::measure(&mut report, effort, &scene, &client).await;
    }
    if wanted("embedded") {
        embedded::measure(&mut report, effort, &scene, &client).await;
    }
    if wanted("docker") {
        docker::measure(&mut report, effort, &scene, &client).await;
    }
    Ok(report)
}
