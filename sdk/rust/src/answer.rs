//! What a plugin answers with where the contract's record holds a handle, and how it says which fields it honours.

use crate::connection::{Connection, RunOutput};
use crate::types::{Context, Extra, FieldReport, Finding, Honoured, ObjectRef, Severity, State, Unenforced};
use crate::{Error, Result};

#[cfg(target_arch = "wasm32")]
use crate::generated::exports::gateway::provisioner::{container_runtime, provisioner as real};

/// A server that runs and can be spoken to.
#[derive(Debug)]
pub struct Provisioned {
    /// How to reach it. If the MCP handshake over it fails, the host calls `release`.
    pub connection: Connection,
    /// What `probe`, `reconnect` and `release` are given; absent: the last checkpoint stays.
    pub state: Option<State>,
    /// Which fields of the entry were honoured.
    pub fields: Vec<FieldReport>,
    /// What exists now, for status pages.
    pub objects: Vec<ObjectRef>,
    /// What a later version of the contract adds.
    pub extras: Vec<Extra>,
}

impl Provisioned {
    /// A connection and what to remember (`None`: the last checkpoint stays). Nothing is reported about fields.
    #[must_use]
    pub fn new(connection: Connection, state: impl Into<Option<State>>) -> Self {
        let state = state.into();
        Self { connection, state, fields: Vec::new(), objects: Vec::new(), extras: Vec::new() }
    }

    /// The same with what became of the fields.
    #[must_use]
    pub fn fields(mut self, fields: Vec<FieldReport>) -> Self {
        self.fields = fields;
        self
    }

    /// The same with one more object that exists now.
    #[must_use]
    pub fn object(mut self, object: ObjectRef) -> Self {
        self.objects.push(object);
        self
    }
}

#[cfg(target_arch = "wasm32")]
impl From<Provisioned> for real::Provisioned {
    fn from(answer: Provisioned) -> Self {
        Self {
            connection: Some(answer.connection.real),
            state: answer.state,
            fields: answer.fields,
            objects: answer.objects,
            extras: answer.extras,
        }
    }
}

/// A new way to a workload that lives.
#[derive(Debug)]
pub struct Reconnected {
    /// As in [`Provisioned`].
    pub connection: Connection,
    /// Replaces the lease's state; absent: it stays.
    pub state: Option<State>,
    /// What exists now, for status pages.
    pub objects: Vec<ObjectRef>,
    /// True: the same process is behind it, and its MCP session goes on. False: the host performs the handshake again.
    pub same_process: bool,
    /// What a later version of the contract adds.
    pub extras: Vec<Extra>,
}

#[cfg(target_arch = "wasm32")]
impl From<Reconnected> for real::Reconnected {
    fn from(answer: Reconnected) -> Self {
        Self {
            connection: Some(answer.connection.real),
            state: answer.state,
            objects: answer.objects,
            same_process: answer.same_process,
            extras: answer.extras,
        }
    }
}

/// A tool container that ran to its end.
#[derive(Debug)]
pub struct Ran {
    /// What it has left.
    pub output: RunOutput,
    /// What was not as asked: streams merged by a log service, limits not enforced.
    pub fields: Vec<FieldReport>,
    /// What a later version of the contract adds.
    pub extras: Vec<Extra>,
}

impl Ran {
    /// An output and what became of the fields.
    #[must_use]
    pub fn new(output: RunOutput, fields: Vec<FieldReport>) -> Self {
        Self { output, fields, extras: Vec::new() }
    }
}

#[cfg(target_arch = "wasm32")]
impl From<Ran> for container_runtime::Ran {
    fn from(answer: Ran) -> Self {
        Self { output: Some(answer.output.real), fields: answer.fields, extras: answer.extras }
    }
}

/// What becomes of the fields of an entry, gathered while it is planned. A field is named by its path in the contract: `network.egress`,
/// `limits.memory`, `user`; the host shows the operator's name for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    reports: Vec<FieldReport>,
}

impl Fields {
    /// Nothing said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The field is honoured as written.
    pub fn honoured(&mut self, field: &str) {
        self.push(field, Honoured::Honoured, String::new());
    }

    /// Something close is done instead, which the note names.
    pub fn approximated(&mut self, field: &str, note: impl Into<String>) {
        self.push(field, Honoured::Approximated, note.into());
    }

    /// The platform cannot do it, for the reason in the note.
    pub fn not_enforced(&mut self, field: &str, note: impl Into<String>) {
        self.push(field, Honoured::NotEnforced, note.into());
    }

    fn push(&mut self, field: &str, honoured: Honoured, note: String) {
        self.reports.push(FieldReport { field: field.to_owned(), honoured, note });
    }

    /// What was said so far.
    #[must_use]
    pub fn reports(&self) -> &[FieldReport] {
        &self.reports
    }

    /// The reports, if the operator accepts what is not enforced.
    ///
    /// # Errors
    ///
    /// `config`, naming every field that is not enforced, when the operator wants such servers refused.
    pub fn enforce(self, context: &Context) -> Result<Vec<FieldReport>> {
        match self.refusal(context) {
            Some(error) => Err(error),
            None => Ok(self.reports),
        }
    }

    /// For `validate`: the reports, and a problem if `provision` would refuse.
    #[must_use]
    pub fn findings(self, context: &Context) -> (Vec<FieldReport>, Vec<Finding>) {
        let findings = self
            .refusal(context)
            .map(|error| Finding { severity: Severity::Problem, failure: error.into() })
            .into_iter()
            .collect();
        (self.reports, findings)
    }

    fn refusal(&self, context: &Context) -> Option<Error> {
        if context.unenforced == Unenforced::Report {
            return None;
        }
        let mut refused = self.reports.iter().filter(|r| r.honoured == Honoured::NotEnforced).peekable();
        refused.peek()?;
        let text: Vec<_> = refused.map(|r| format!("`{}`: {}", r.field, r.note)).collect();
        Some(
            Error::config(format!("honour {}", text.join("; ")))
                .hint("remove it from the server's entry, place the server elsewhere, or accept it with `onUnenforced: report`"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCategory;
    use crate::fake::context;

    fn gathered() -> Fields {
        let mut fields = Fields::new();
        fields.honoured("limits.memory");
        fields.approximated("network.egress", "by name only");
        fields.not_enforced("user", "there are no users");
        fields.not_enforced("limits.disk", "there is no disk");
        fields
    }

    #[test]
    fn every_field_that_is_not_enforced_is_in_the_refusal() {
        let error = gathered().enforce(&context()).expect_err("the default is to refuse");
        assert_eq!(error.category(), FailureCategory::Config);
        assert_eq!(error.to_string(), "honour `user`: there are no users; `limits.disk`: there is no disk");
    }

    #[test]
    fn what_is_close_or_accepted_is_reported() {
        let mut close = Fields::new();
        close.approximated("network.egress", "by name only");
        assert_eq!(close.enforce(&context()).expect("close enough").len(), 1);
        let lenient = Context { unenforced: Unenforced::Report, ..context() };
        assert_eq!(gathered().enforce(&lenient).expect("accepted").len(), 4);
        let (reports, findings) = gathered().findings(&lenient);
        assert_eq!((reports.len(), findings.len()), (4, 0));
    }
}
