//! A plugin that does, on request, everything a plugin must not do. The request is the name of the server, for example `loop` or
//! `memory`; what the description says is in [`DIRECTIVE`], which tests change in the finished file.

mod provision;
mod release;

wit_bindgen::generate!({
    path: "../../../wit/v0.1",
    world: "embedded-plugin",
    generate_all,
});

use exports::gateway::provisioner::container_runtime;
use exports::gateway::provisioner::provisioner::{
    Description, Guest, Prepared, Provisioned, Reconnected, Refused,
};
use gateway::provisioner::types::*;
use gateway::provisioner::{call, log, settings};

/// Words of the description, in a place where a test can find and change them. `version`, `name` and `describe` end at `;`.
static DIRECTIVE: [u8; 95] =
    *b"DIRECTIVE:name=hostile;version=1.0.0;reads=1;describe=ok;......................................";

/// Both schemas, changed by tests in the same way.
static SETTINGS: [u8; 39] = *b"SETTINGS:{                            }";

struct Plugin;

export!(Plugin);

/// One word of the directive.
fn directive(key: &str) -> String {
    let text = String::from_utf8_lossy(std::hint::black_box(&DIRECTIVE).as_slice()).into_owned();
    let words = text.trim_start_matches("DIRECTIVE:").split(';');
    let mut found = words.filter_map(|word| word.split_once('=')).filter(|(name, _)| *name == key);
    found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
}

fn schema() -> String {
    String::from_utf8_lossy(&std::hint::black_box(&SETTINGS)[9..]).into_owned()
}

pub(crate) fn failure(category: FailureCategory, text: impl Into<String>) -> Failure {
    Failure {
        phase: Phase::Other,
        category,
        step: None,
        text: text.into(),
        hint: None,
        details: Vec::new(),
        objects: Vec::new(),
        retry_after_ms: None,
        extras: Vec::new(),
    }
}

pub(crate) fn state(version: u32, data: impl Into<Vec<u8>>) -> State {
    State { version, data: data.into() }
}

fn unsupported<T>() -> Result<T, Failure> {
    Err(failure(FailureCategory::Unsupported, "no tools"))
}

impl Guest for Plugin {
    fn describe() -> Description {
        match directive("describe").as_str() {
            "loop" => loop {
                std::hint::black_box(());
            },
            "call" => {
                call::remaining_ms();
            }
            "settings" => assert_eq!(settings::get(), "{}"),
            "panic" => panic!("no description \u{1b}[2J today"),
            _ => {}
        }
        Description {
            name: directive("name"),
            version: directive("version"),
            summary: "does what it must not\u{1b}[31m".to_owned(),
            runs: vec![WorkloadKind::Component],
            runs_tools: Vec::new(),
            settings_schema: schema(),
            server_settings_schema: schema(),
            reads_state: directive("reads").split(',').filter_map(|v| v.parse().ok()).collect(),
            understands: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn prepare(_: Context, servers: Vec<Server>, _: Vec<ToolEntry>) -> Result<Prepared, Failure> {
        let mut refused = Vec::new();
        for server in servers {
            // Many entries, all of them fit: only the list is too long.
            if server.name == "refuses-too-many" {
                let failure = failure(FailureCategory::Config, "no");
                let one = Refused { id: server.id.clone(), failure };
                refused = vec![one; 5_000];
            }
            if server.name == "refuses-too-long" {
                let failure = failure(FailureCategory::Config, "x".repeat(70_000));
                refused.push(Refused { id: server.id.clone(), failure });
            }
            if server.name == "refuses-another" {
                let failure = failure(FailureCategory::Config, "no");
                refused.push(Refused { id: "another-1".to_owned(), failure });
            }
            if server.name == "refused" {
                let failure = failure(FailureCategory::Config, "it is not wanted here");
                refused.push(Refused { id: server.id, failure });
            }
        }
        let object =
            ObjectRef { kind: "network".to_owned(), scope: String::new(), name: "shared".to_owned() };
        call::record_object(&object)?;
        let shared = Some(state(1, "shared"));
        Ok(Prepared { shared, refused, objects: vec![object], extras: Vec::new() })
    }

    fn validate(_: Context, server: Server) -> Result<Validation, Failure> {
        if server.name == "creates" {
            call::checkpoint(&state(1, "too early"))?;
        }
        let finding = |text: &str| Finding {
            severity: Severity::Problem,
            failure: failure(FailureCategory::Config, text),
        };
        let findings = match server.name.as_str() {
            "findings" => vec![finding("one"), finding("two")],
            "findings-too-many" => vec![finding("one"); 5_000],
            _ => Vec::new(),
        };
        let field = |field: &str, honoured, note: &str| FieldReport {
            field: field.to_owned(),
            honoured,
            note: note.to_owned(),
        };
        let fields = vec![
            field("limits.memory", Honoured::Honoured, ""),
            field("user", Honoured::NotEnforced, "there are no\u{7} users"),
        ];
        Ok(Validation { fields, findings, costs: Vec::new(), extras: Vec::new() })
    }

    fn plan(context: Context, server: Server) -> Result<Blueprint, Failure> {
        let labels: Vec<String> = context.labels.iter().map(|l| format!("{}={}", l.key, l.value)).collect();
        let text =
            format!("{}\nrevision {}\nlabels {}\n\u{1b}[31m", server.id, server.revision, labels.join(" "));
        let document = Document { title: "plan".to_owned(), media_type: "text/plain".to_owned(), text };
        Ok(Blueprint {
            documents: vec![document],
            fields: Vec::new(),
            costs: Vec::new(),
            pins: Vec::new(),
            extras: Vec::new(),
        })
    }

    fn provision(context: Context, server: Server) -> Result<Provisioned, Failure> {
        provision::provision(&context, &server)
    }

    fn probe(_: Context, lease: Lease) -> Result<Health, Failure> {
        let status = gateway::provisioner::embedded::info(
            lease.objects.first().map(|object| object.name.as_str()).unwrap_or_default(),
        );
        let text = format!("{:?}: {}", status.status, status.text);
        let exit_code = status.exit_code;
        Ok(Health { status: Status::Running, text, exit_code, failure: None, extras: Vec::new() })
    }

    fn reconnect(_: Context, _: Server, lease: Lease) -> Result<Option<Reconnected>, Failure> {
        let same_process = lease.server_name == "reconnects";
        if !same_process && lease.server_name != "reconnects-anew" {
            return Ok(None);
        }
        provision::same_generated()?;
        Ok(Some(Reconnected {
            connection: Some(provision::tcp(7)?),
            state: same_process.then(|| state(1, "again")),
            objects: Vec::new(),
            same_process,
            extras: Vec::new(),
        }))
    }

    fn release(_: Context, lease: Lease, reason: ReleaseReason) -> Result<(), Failure> {
        release::release(&lease, reason)
    }

    fn enumerate(_: Context, page: Page) -> Result<ManagedPage, Failure> {
        let managed = |name: &str, session: Option<&str>| ManagedObject {
            object: ObjectRef { kind: "task".to_owned(), scope: String::new(), name: name.to_owned() },
            gateway: None,
            session: session.map(str::to_owned),
            plugin: None,
            server_id: None,
            request: None,
            age_seconds: Some(5),
            session_alive: None,
            text: String::new(),
            extras: Vec::new(),
        };
        Ok(match page.cursor.as_deref() {
            None => {
                ManagedPage { objects: vec![managed("a", Some("nobody"))], cursor: Some("next".to_owned()) }
            }
            Some(_) => ManagedPage { objects: vec![managed("b", None)], cursor: None },
        })
    }

    fn sweep(_: Context, _: u32, page: Page) -> Result<SweepPage, Failure> {
        // Never ends.
        Ok(SweepPage {
            removed: Vec::new(),
            failed: Vec::new(),
            cursor: page.cursor.or(Some("on".to_owned())),
        })
    }

    fn shutdown(_: Context, leftovers: Leftovers) -> Result<(), Failure> {
        let objects: Vec<&str> = leftovers.objects.iter().map(|object| object.name.as_str()).collect();
        let fields = [("objects".to_owned(), objects.join(",")), ("session".to_owned(), leftovers.session)];
        log::write(log::Level::Info, "shutdown", &fields);
        if directive("name") == "long-end" {
            return Err(failure(FailureCategory::Other, "x".repeat(70_000)));
        }
        Ok(())
    }
}

impl container_runtime::Guest for Plugin {
    fn validate_run(_: Context, _: ToolContainer) -> Result<Validation, Failure> {
        unsupported()
    }

    fn plan_run(_: Context, _: ToolContainer) -> Result<Blueprint, Failure> {
        unsupported()
    }

    fn run(_: Context, _: ToolContainer) -> Result<container_runtime::Ran, Failure> {
        unsupported()
    }

    fn start(_: Context, _: ToolContainer) -> Result<Provisioned, Failure> {
        unsupported()
    }

    fn stop(_: Context, _: Lease, _: ReleaseReason) -> Result<(), Failure> {
        unsupported()
    }
}
