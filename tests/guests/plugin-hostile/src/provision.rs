//! What `provision` does, by the server's name. Words after the first are its arguments.

use crate::exports::gateway::provisioner::provisioner::Provisioned;
use crate::gateway::provisioner::connection::{self, Connection, TcpEndpoint};
use crate::gateway::provisioner::types::*;
use crate::gateway::provisioner::{call, embedded, log, progress, secrets};
use crate::{failure, state};

pub(crate) fn provision(context: &Context, server: &Server) -> Result<Provisioned, Failure> {
    let mut words = server.name.split(' ');
    let what = words.next().unwrap_or_default();
    let number = words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or_default();
    match what {
        "loop" => loop {
            std::hint::black_box(());
        },
        "trap" => panic!("boom \u{1b}[31m\u{202e}"),
        "exit" => std::process::exit(3),
        "overflow" => println!("{}", deep(number)),
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        "handles" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(tcp(7)?);
            }
        }
        "host-calls" => loop {
            call::cancelled();
        },
        "data" => log::write(log::Level::Info, &"x".repeat(number as usize), &[]),
        "forever" => loop {
            call::sleep(60_000);
        },
        "stubborn" => loop {
            // Sleeps with what its language has, which nothing but the end of the instance interrupts.
            std::thread::sleep(std::time::Duration::from_secs(60));
        },
        "polls" => {
            for _ in 0..number {
                call::sleep(20);
            }
        }
        "waits" => {
            call::sleep(number);
        }
        "floods" => {
            for i in 0..number {
                log::write(log::Level::Info, &format!("{}: flood {i}", server.id), &[]);
            }
        }
        "prints" => {
            for i in 0..number {
                println!("to stdout {i}");
                eprintln!("to stderr {i}");
            }
            panic!("after printing");
        }
        "big-state" => return Ok(provisioned(Some(tcp(7)?), state(1, vec![0; number as usize]))),
        "big-text" => return Err(failure(FailureCategory::Other, "x".repeat(number as usize))),
        "says" => {
            let text = "no \u{1b}[2J place\u{202e} left\n";
            return Err(Failure {
                hint: Some("buy\u{7} more".to_owned()),
                step: Some("schedule".to_owned()),
                details: vec!["event \u{9b}31m one".to_owned()],
                retry_after_ms: Some(if number == 0 { 1500 } else { number }),
                ..failure(FailureCategory::Quota, text)
            });
        }
        "none" => return Ok(provisioned(None, state(1, ""))),
        "hands-over" => {
            connection::hand_over(tcp(1)?);
            connection::hand_over(tcp(number as u16)?);
            return Ok(provisioned(None, state(1, "")));
        }
        "both" => {
            connection::hand_over(tcp(1)?);
            return Ok(provisioned(Some(tcp(2)?), state(1, "")));
        }
        "checkpoint-trap" => {
            call::checkpoint(&state(1, "halfway"))?;
            panic!("after the checkpoint");
        }
        "checkpoint-hang" => {
            call::checkpoint(&state(1, "halfway"))?;
            call::record_object(&object("task", "t1"))?;
            call::record_object(&object("task", "t2"))?;
            call::forget_object(&object("task", "t1"))?;
            progress::report(&progress::Update { text: "hanging".to_owned(), done: Some(1), total: None });
            loop {
                call::sleep(60_000);
            }
        }
        "checkpoints" => {
            for _ in 0..number {
                call::checkpoint(&state(1, ""))?;
            }
        }
        "progress" => {
            for done in 0..number {
                progress::report(&progress::Update {
                    text: "work".to_owned(),
                    done: Some(done),
                    total: Some(number),
                });
            }
        }
        "state" => return Ok(provisioned(Some(tcp(7)?), state(number, server.id.as_bytes()))),
        "stateless" => return Ok(Provisioned { state: None, ..provisioned(Some(tcp(7)?), state(1, "")) }),
        "checkpoint-stays" => {
            call::checkpoint(&state(1, "kept"))?;
            return Ok(Provisioned { state: None, ..provisioned(Some(tcp(7)?), state(1, "")) });
        }
        "checkpoint-unread" => call::checkpoint(&state(number, ""))?,
        "fails" => return Err(fails(number)),
        "later" => return later(context, number),
        "generates" => {
            same_generated()?;
            for n in 0..number {
                secrets::generate(&format!("helper {n}"))?;
            }
        }
        "unwanted-run" => return run(server),
        "http" => return http(server),
        "waits-ready" => {
            let connection = tcp(number as u16)?;
            connection::wait_ready(&connection, 2_000)?;
            return Ok(provisioned(Some(connection), state(1, "")));
        }
        "secret" => return secret(server),
        _ if what.starts_with("component") => return component(context, server, what),
        _ => {}
    }
    Ok(provisioned(Some(tcp(7)?), state(1, server.id.as_bytes())))
}

fn deep(n: u32) -> u32 {
    if std::hint::black_box(n) == u32::MAX {
        0
    } else {
        deep(std::hint::black_box(n)) + std::hint::black_box(1)
    }
}

pub(crate) fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { kind: kind.to_owned(), scope: "here".to_owned(), name: name.to_owned() }
}

pub(crate) fn tcp(port: u16) -> Result<Connection, Failure> {
    connection::tcp(&TcpEndpoint {
        host: "127.0.0.1".to_owned(),
        port,
        tunnel: None,
        tls: None,
        first_line: None,
    })
}

fn provisioned(connection: Option<Connection>, state: State) -> Provisioned {
    Provisioned {
        connection,
        state: Some(state),
        fields: Vec::new(),
        objects: Vec::new(),
        extras: Vec::new(),
    }
}

fn http(server: &Server) -> Result<Provisioned, Failure> {
    let endpoint = connection::HttpEndpoint {
        url: server.settings.trim_matches('"').to_owned(),
        protocol: connection::HttpProtocol::StreamableHttp,
        headers: Vec::new(),
        authorization: connection::Authorization::None,
        tunnel: None,
        tls: None,
    };
    Ok(provisioned(Some(connection::http(&endpoint)?), state(1, "")))
}

/// `secret OWNER NAME [SERVER]`: says what can be known about it.
fn secret(server: &Server) -> Result<Provisioned, Failure> {
    let words: Vec<&str> = server.name.split(' ').collect();
    let owner = match words[1] {
        "server" => SecretOwner::Server,
        "plugin" => SecretOwner::Plugin,
        _ => SecretOwner::Generated,
    };
    let name =
        SecretName { owner, server_id: words.get(3).map(|id| (*id).to_owned()), name: words[2].to_owned() };
    let info = secrets::lookup(&name)?;
    Err(failure(FailureCategory::Other, format!("known: {} {:?}", info.available, info.revision.is_some())))
}

/// A failure of each category that is told apart.
fn fails(number: u32) -> Failure {
    let category = match number {
        0 => FailureCategory::NotFound,
        1 => FailureCategory::Conflict,
        2 => FailureCategory::Unsupported,
        _ => FailureCategory::Permanent,
    };
    failure(category, "as asked")
}

/// Says "later" `number` times, each time with one object more, then says what it was given to resume.
fn later(context: &Context, number: u32) -> Result<Provisioned, Failure> {
    let known = context.resume.as_ref().map(|resume| {
        let state = resume.state.as_ref().map(|state| String::from_utf8_lossy(&state.data).into_owned());
        let objects: Vec<&str> = resume.objects.iter().map(|object| object.name.as_str()).collect();
        format!("{} {}", state.unwrap_or_default(), objects.join(","))
    });
    let text =
        format!("{} {}: {}", context.request, context.attempt, known.unwrap_or_else(|| "nothing".to_owned()));
    if context.attempt > number {
        return Ok(provisioned(Some(tcp(7)?), state(1, text)));
    }
    call::checkpoint(&state(1, format!("after {}", context.attempt)))?;
    call::record_object(&object("task", &format!("t{}", context.attempt)))?;
    Err(failure(FailureCategory::Retryable, text))
}

/// The same name in one lease gives the same secret, as far as a plugin can see: the call succeeds and names it.
pub(crate) fn same_generated() -> Result<(), Failure> {
    let (one, two) = (secrets::generate("adapter")?, secrets::generate("adapter")?);
    match (one.owner, one.name == two.name) {
        (SecretOwner::Generated, true) => Ok(()),
        _ => Err(failure(FailureCategory::Other, "another name")),
    }
}

/// Runs the server's component with input of its own, though no client asked for it.
fn run(server: &Server) -> Result<Provisioned, Failure> {
    let Workload::Component(workload) = &server.workload else {
        return Err(failure(FailureCategory::Unsupported, "no component"));
    };
    let spec = embedded::Spec {
        component: workload.component.clone(),
        arguments: workload.arguments.clone(),
        environment: server.environment.clone(),
        mounts: server.mounts.clone(),
        files: server.files.clone(),
        egress: Egress::None,
        limits: server.limits.clone(),
    };
    let output = embedded::run(&spec, Some(b"{}"), 1 << 20, 10_000)?;
    Err(failure(FailureCategory::Other, format!("it ran: {:?}", output.exit_code())))
}

/// Starts the server's component, honestly or not.
fn component(context: &Context, server: &Server, what: &str) -> Result<Provisioned, Failure> {
    let Workload::Component(workload) = &server.workload else {
        return Err(failure(FailureCategory::Unsupported, "no component"));
    };
    let egress = match &server.network.egress {
        Egress::Only(destinations) => Egress::Only(destinations.clone()),
        _ => Egress::None,
    };
    let mut spec = embedded::Spec {
        component: workload.component.clone(),
        arguments: workload.arguments.clone(),
        environment: server.environment.clone(),
        mounts: server.mounts.clone(),
        files: server.files.clone(),
        egress,
        limits: server.limits.clone(),
    };
    let token = |server_id: Option<&str>, name: &str| {
        Part::Secret(SecretName {
            owner: SecretOwner::Server,
            server_id: server_id.map(str::to_owned),
            name: name.to_owned(),
        })
    };
    let variable = |name: &str, value: Vec<Part>| Variable { name: name.to_owned(), value };
    match what {
        "component-other" => spec.component = "component-of-somebody".to_owned(),
        "component-secret-elsewhere" => {
            spec.environment = vec![variable("ELSEWHERE", vec![token(None, "token")])]
        }
        "component-secret-prefixed" => {
            spec.environment =
                vec![variable("TOKEN", vec![Part::Text("x".to_owned()), token(None, "token")])];
        }
        "component-secret-of-other" => {
            spec.environment = vec![variable("TOKEN", vec![token(Some("other-1"), "token")])];
        }
        "component-secret-argument" => spec.arguments = vec![vec![token(None, "token")]],
        "component-secret-and-argument" => spec.arguments = vec![vec![Part::Text("--print".to_owned())]],
        "component-secret-and-variable" => {
            spec.environment.push(variable("LD_PRELOAD", vec![Part::Text("x".to_owned())]));
        }
        "component-write" => spec.mounts[0].access = Access::ReadWrite,
        "component-target" => spec.mounts[0].target = "/etc".to_owned(),
        "component-folder" => spec.mounts[0].source = MountSource::Folder("folder-9".to_owned()),
        "component-destination" => {
            let evil = Destination {
                host: "evil.example".to_owned(),
                port: Some(443),
                protocol: Protocol::Any,
                written: String::new(),
            };
            match &mut spec.egress {
                Egress::Only(destinations) => destinations.push(evil),
                other => *other = Egress::Only(vec![evil]),
            }
        }
        "component-unrestricted" => spec.egress = Egress::Unrestricted,
        "component-public" => spec.egress = Egress::Public,
        "component-file" => spec.files[0].path = "/etc/passwd".to_owned(),
        "component-file-content" => spec.files[0].content = vec![Part::Text("mine".to_owned())],
        "component-file-mode" => spec.files[0].mode = 0o777,
        "component-unknown-value" => {
            spec.environment = vec![variable("A", vec![Part::Other("{}".to_owned())])];
        }
        "component-generated" => {
            let adapter = secrets::generate("adapter")?;
            let bearer = vec![Part::Text("Bearer ".to_owned()), Part::Secret(adapter)];
            spec.environment.push(variable("ADAPTER", bearer));
        }
        "component-not-generated" => {
            let name =
                SecretName { owner: SecretOwner::Generated, server_id: None, name: "never made".to_owned() };
            spec.environment.push(variable("ADAPTER", vec![Part::Secret(name)]));
        }
        "component-memory" => spec.limits.memory = Some(Amount { mib: 4_000, written: String::new() }),
        "component-stop-other" => {
            // Somebody else's: it must look as if it were not there.
            let id = context.client.clone().unwrap_or_default();
            embedded::stop(&id, 0)?;
            let info = embedded::info(&id);
            return Err(failure(
                FailureCategory::Other,
                format!("{:?}, {}", info.status, embedded::workloads().len()),
            ));
        }
        _ => {}
    }
    if what == "component-many" {
        loop {
            embedded::start(&spec)?;
        }
    }
    let started = embedded::start(&spec)?;
    if what == "component-trap" {
        panic!("with {}", started.workload);
    }
    Ok(provisioned(Some(started.connection), state(1, started.workload.as_bytes())))
}
