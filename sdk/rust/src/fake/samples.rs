//! Entries and contexts to start from: complete, small, and the same in every test.

use super::FakeHost;
use crate::types::{
    ComponentWorkload, Context, ImageWorkload, Label, Lease, Lifetime, Limits, Network, Page, PullPolicy,
    Server, Subject, ToolContainer, Transport, Unenforced, Workload,
};
use crate::{Error, Result, label};

/// A call of a gateway that refuses what cannot be honoured, with a minute left.
#[must_use]
pub fn context() -> Context {
    let (gateway, session, request) = ("g234567890123456", "s234567890123456", "r234567890123456");
    let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
    Context {
        gateway: gateway.to_owned(),
        session: session.to_owned(),
        client: None,
        request: request.to_owned(),
        attempt: 1,
        resume: None,
        deadline_ms: 60_000,
        unenforced: Unenforced::Refuse,
        // `label::SERVER` is missing: a context does not know whose call it becomes.
        labels: vec![
            label(label::GATEWAY, gateway),
            label(label::SESSION, session),
            label(label::PLUGIN, "fake"),
            label(label::REQUEST, request),
        ],
        shared: None,
        extras: Vec::new(),
    }
}

fn server(id: &str, workload: Workload) -> Server {
    Server {
        id: id.to_owned(),
        name: id.to_owned(),
        revision: "v234567890123456".to_owned(),
        workload,
        transport: Transport::Stdio,
        lifetime: Lifetime::Session,
        environment: Vec::new(),
        files: Vec::new(),
        mounts: Vec::new(),
        network: Network::default(),
        limits: Limits::default(),
        user: None,
        secrets: Vec::new(),
        pins: Vec::new(),
        settings: "{}".to_owned(),
        annotations: Vec::new(),
        extras: Vec::new(),
    }
}

/// A server that is a component and wants nothing else.
#[must_use]
pub fn component_server(id: &str) -> Server {
    let component = ComponentWorkload {
        component: format!("component:{id}"),
        digest: "ab".repeat(32),
        arguments: Vec::new(),
    };
    server(id, Workload::Component(component))
}

/// A server that is a container image and wants nothing else.
#[must_use]
pub fn image_server(id: &str, reference: &str) -> Server {
    server(id, Workload::Image(image(reference)))
}

fn image(reference: &str) -> ImageWorkload {
    ImageWorkload {
        reference: reference.to_owned(),
        digest: None,
        entrypoint: None,
        arguments: Vec::new(),
        working_directory: None,
        platform: None,
        pull: PullPolicy::Missing,
        login: None,
    }
}

/// A tool that is a container image, run for at most ten seconds.
#[must_use]
pub fn tool(id: &str, workload: Workload) -> ToolContainer {
    ToolContainer {
        id: id.to_owned(),
        server_id: id.to_owned(),
        name: id.to_owned(),
        tool: "run".to_owned(),
        revision: "v234567890123456".to_owned(),
        workload,
        environment: Vec::new(),
        files: Vec::new(),
        mounts: Vec::new(),
        network: Network::default(),
        limits: Limits::default(),
        user: None,
        secrets: Vec::new(),
        pins: Vec::new(),
        timeout_ms: 10_000,
        output_limit: 64 * 1024,
        input: None,
        settings: "{}".to_owned(),
        annotations: Vec::new(),
        extras: Vec::new(),
    }
}

/// A lease on nothing, for a test that fills it in. [`FakeHost::lease`] is the one that the fake host keeps.
#[must_use]
pub fn lease(server_id: &str) -> Lease {
    let context = context();
    Lease {
        subject: Subject::Server,
        server_id: server_id.to_owned(),
        server_name: server_id.to_owned(),
        session: context.session,
        request: context.request,
        state: None,
        objects: Vec::new(),
        plugin_version: String::new(),
        plugin_digest: String::new(),
        extras: Vec::new(),
    }
}

impl FakeHost {
    /// What the host would give `release` now: the last state, and what the ledger holds.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease { state: self.state(), objects: self.ledger(), ..lease("fake") }
    }
}

/// One page of a list; the cursor is the number of entries before it.
pub(super) fn paged<T>(all: Vec<T>, page: &Page) -> Result<(Vec<T>, Option<String>)> {
    let before: usize = match &page.cursor {
        Some(cursor) => {
            cursor.parse().map_err(|_| Error::permanent(format!("continue at cursor `{cursor}`")))?
        }
        None => 0,
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX).max(1);
    let after = before.saturating_add(limit);
    let cursor = (after < all.len()).then(|| after.to_string());
    Ok((all.into_iter().skip(before).take(limit).collect(), cursor))
}
