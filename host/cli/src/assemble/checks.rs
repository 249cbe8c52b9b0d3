//! What stands between clients and tools, as the flags say.

use crate::args::CheckArgs;
use crate::assemble::App;
use crate::assemble::plugins::docker;
use crate::output::say;
use host_gateway::Checks;
use host_interceptor::{CallLog, Inspecting, Say, Secrets, Surroundings, inspector};
use std::sync::Arc;

/// The label that says what a container of an interceptor is for. It stands with those of its gateway and session.
const LABEL: &str = "gateway-interceptor";

impl App {
    /// Takes the flags over. Without interceptors no engine is looked for.
    pub(crate) fn check_calls(&mut self, args: &CheckArgs) {
        let lines: Say = Arc::new(say);
        let inspecting = Inspecting {
            log: args.log_calls.then(|| CallLog::new(Arc::clone(&lines))),
            secrets: args.block_secrets.then(Secrets::new),
            say: Arc::clone(&lines),
        };
        let around = Surroundings {
            variables: self.environment.all(),
            docker: docker(&self.inputs, &self.environment),
            labels: vec![
                ("gateway-id".to_owned(), self.identity.gateway.clone()),
                ("gateway-session".to_owned(), self.identity.session.clone()),
                (LABEL.to_owned(), "true".to_owned()),
            ],
            say: lines,
        };
        self.checks = Checks {
            inspector: inspector(inspecting),
            interceptors: args.interceptor.iter().map(|spec| spec.interceptor(&around)).collect(),
        };
    }
}
