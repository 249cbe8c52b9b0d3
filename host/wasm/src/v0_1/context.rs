//! The context of a call, and leases, as this track's records have them.

use crate::ledger::{Begin, Subject};
use crate::v0_1::types::{self, Context, Label, Leftovers, ReleaseReason, Unenforced};
use host_provisioner as provisioner;
use host_provisioner::{Call, Lease, ServerSpec};

/// Who the gateway is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) gateway: &'a str,
    pub(crate) session: &'a str,
    pub(crate) plugin: &'a str,
}

/// The context of a call.
pub(crate) fn context(
    who: Who<'_>,
    call: &Call,
    request: &str,
    server: Option<&ServerSpec>,
    shared: Option<provisioner::State>,
) -> Context {
    Context {
        gateway: who.gateway.to_owned(),
        session: who.session.to_owned(),
        client: call.client.clone(),
        request: request.to_owned(),
        // Only a repetition that resumes is not the first; `Plugin::bring_up` says so.
        attempt: 1,
        resume: None,
        deadline_ms: u32::try_from(call.remaining().as_millis()).unwrap_or(u32::MAX),
        unenforced: match server.map(|server| server.unenforced).unwrap_or_default() {
            provisioner::Unenforced::Refuse => Unenforced::Refuse,
            provisioner::Unenforced::Report => Unenforced::Report,
        },
        labels: labels(who, request, server.map(|server| server.id.as_str())),
        shared: shared.map(state),
        extras: Vec::new(),
    }
}

/// Labels of what a call makes.
pub(crate) fn labels(who: Who<'_>, request: &str, server: Option<&str>) -> Vec<Label> {
    let label = |key: &str, value: &str| Label { key: key.to_owned(), value: label_value(value) };
    let mut labels = vec![
        label("gateway-id", who.gateway),
        label("gateway-session", who.session),
        label("gateway-plugin", who.plugin),
        label("gateway-request", request),
    ];
    labels.extend(server.map(|id| label("gateway-server", id)));
    labels
}

/// The label that says which bytes of a plugin made an object: `sha256-` and the first 56 digits of their digest, the 63 characters that every
/// platform takes. The host functions add it; it is not in the context, whose labels are a list of the contract's.
pub(crate) fn made_by(digest: &str) -> Label {
    Label { key: "gateway-plugin-digest".to_owned(), value: format!("sha256-{digest:.56}") }
}

/// Label values begin with a letter on every platform; the id of a server may begin with a digit.
pub(crate) fn label_value(value: &str) -> String {
    if value.starts_with(|c: char| c.is_ascii_lowercase()) { value.to_owned() } else { format!("s-{value}") }
}

/// What a request is called in the contract: `[a-z][a-z0-9]{15}`. An attempt that follows a release is a new request; one that resumes keeps
/// the name that its lease has.
pub(crate) fn request(call: &Call) -> String {
    use sha2::{Digest, Sha256};
    let text = call.request.as_str();
    if call.attempt <= 1 {
        return short_id(text);
    }
    let hash = Sha256::digest(format!("{text} {}", call.attempt));
    let hex: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    short_id(&hex)
}

/// Makes the first character a letter: hexadecimal digits become `g` to `p`, so that different ids stay different.
pub(crate) fn short_id(hex: &str) -> String {
    let mut characters = hex.chars();
    match characters.next() {
        Some(digit @ '0'..='9') => {
            let letter = char::from(b'g' + (digit as u8 - b'0'));
            std::iter::once(letter).chain(characters).collect()
        }
        _ => hex.to_owned(),
    }
}

/// A state that the plugin says it reads; any other is withheld (`types.state`).
pub(crate) fn read(state: Option<provisioner::State>, reads: &[u32]) -> Option<provisioner::State> {
    state.filter(|state| reads.contains(&state.version))
}

/// A state.
pub(crate) fn state(state: provisioner::State) -> types::State {
    types::State { version: state.version, data: state.data }
}

/// A lease, with its state as far as the plugin reads it.
pub(crate) fn lease(lease: &Lease, subject: Subject, reads: &[u32]) -> types::Lease {
    types::Lease {
        subject: match subject {
            Subject::Server => types::Subject::Server,
            Subject::Tool => types::Subject::Tool,
            Subject::Shared => types::Subject::Other,
        },
        server_id: lease.server_id.as_str().to_owned(),
        server_name: lease.server_name.clone(),
        session: lease.session.clone(),
        request: lease.request.clone(),
        state: read(lease.state.clone(), reads).map(state),
        objects: lease.objects.iter().map(object).collect(),
        plugin_version: lease.plugin_version.clone(),
        plugin_digest: lease.plugin_digest.clone(),
        extras: Vec::new(),
    }
}

/// What a session leaves.
pub(crate) fn leftovers(
    begin: &Begin,
    shared: Option<provisioner::State>,
    objects: &[provisioner::ObjectRef],
) -> Leftovers {
    Leftovers {
        session: begin.session.clone(),
        shared: shared.map(state),
        objects: objects.iter().map(object).collect(),
        plugin_version: begin.version.clone(),
        plugin_digest: begin.digest.clone(),
        extras: Vec::new(),
    }
}

/// An object.
pub(crate) fn object(object: &provisioner::ObjectRef) -> types::ObjectRef {
    types::ObjectRef { kind: object.kind.clone(), scope: object.scope.clone(), name: object.name.clone() }
}

/// Why it is released.
pub(crate) fn reason(reason: provisioner::ReleaseReason) -> ReleaseReason {
    match reason {
        provisioner::ReleaseReason::Ended => ReleaseReason::Ended,
        provisioner::ReleaseReason::Unfinished => ReleaseReason::Unfinished,
        provisioner::ReleaseReason::Died => ReleaseReason::Died,
        provisioner::ReleaseReason::Shutdown => ReleaseReason::Shutdown,
        provisioner::ReleaseReason::Orphaned => ReleaseReason::Orphaned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_provisioner::RequestId;
    use std::time::Duration;

    #[test]
    fn a_digest_becomes_a_label_that_every_platform_takes() {
        let label = made_by(&"0123456789abcdef".repeat(4));
        assert_eq!(label.key, "gateway-plugin-digest");
        assert_eq!(label.value, format!("sha256-{}01234567", "0123456789abcdef".repeat(3)));
        assert_eq!(label.value.len(), 63);
    }

    #[test]
    fn ids_begin_with_a_letter_and_stay_apart() {
        assert_eq!(short_id("0a1b2c3d4e5f6071"), "ga1b2c3d4e5f6071");
        assert_eq!(short_id("9a1b2c3d4e5f6071"), "pa1b2c3d4e5f6071");
        assert_eq!(short_id("aa1b2c3d4e5f6071"), "aa1b2c3d4e5f6071");
        let mut call = Call::new(RequestId::from_bits(7), Duration::from_secs(1));
        let first = request(&call);
        assert_eq!(first.len(), 16);
        assert!(first.starts_with(|c: char| c.is_ascii_lowercase()));
        call.attempt = 2;
        let second = request(&call);
        assert_ne!(first, second);
        assert_eq!(second.len(), 16);
        assert_eq!(second, request(&call));
    }
}
