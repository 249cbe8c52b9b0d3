//! The search for secrets and the log of calls as one inspector: the search is the outer one, so that a call that is refused is not logged, and
//! nothing of it is (`docker-mcp-gateway.md` 20, order).

use crate::{CallLog, Found, Say, Secrets};
use host_gateway::Inspector;
use host_provisioner::sanitize;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a tool's name that stand in an error.
const NAME: usize = 200;

/// What is to be done with each call.
pub struct Inspecting {
    /// `--log-calls`.
    pub log: Option<CallLog>,
    /// `--block-secrets`.
    pub secrets: Option<Secrets>,
    /// Where what was refused is told.
    pub say: Say,
}

/// The inspector; `None` if there is nothing to do.
#[must_use]
pub fn inspector(inspecting: Inspecting) -> Option<Arc<dyn Inspector>> {
    let any = inspecting.log.is_some() || inspecting.secrets.is_some();
    any.then(|| Arc::new(inspecting) as Arc<dyn Inspector>)
}

impl Inspecting {
    fn look(&self, json: &[u8], sentence: impl FnOnce() -> String) -> Result<(), String> {
        let Some(Found { rule }) = self.secrets.as_ref().and_then(|secrets| secrets.find(json)) else {
            return Ok(());
        };
        let sentence = sentence();
        (self.say)(&format!("blocked: {sentence} (rule `{rule}`)"));
        Err(format!("{sentence} (rule `{rule}`; `--block-secrets=false` turns the search off)"))
    }
}

impl Inspector for Inspecting {
    fn call(&self, tool: &str, arguments: Option<&[u8]>, further: Option<&[u8]>) -> Result<(), String> {
        for json in [arguments, further].into_iter().flatten() {
            self.look(json, || format!("a secret is being passed to tool {}", sanitize::line(tool, NAME)))?;
        }
        if let Some(log) = &self.log {
            log.begins(tool, arguments);
        }
        Ok(())
    }

    fn answer(&self, tool: &str, raw: &[u8], failed: bool, took: Duration) -> Result<(), String> {
        if let Some(log) = self.log.as_ref().filter(|_| !failed) {
            log.ends(tool, took);
        }
        self.look(raw, || format!("a secret is being returned by the {} tool", sanitize::line(tool, NAME)))
    }

    fn flush(&self) {
        if let Some(log) = &self.log {
            log.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// `TestCallbacksBlockSecretsRunsBeforeLogCalls`, `TestLogCallsMiddlewareDoesNotLogRawArguments`.
    #[tokio::test]
    async fn a_refused_call_is_not_logged_and_no_log_holds_a_value() {
        let said = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&said);
        let say: Say = Arc::new(move |line: &str| {
            into.lock().unwrap().push_str(line);
            into.lock().unwrap().push('\n');
        });
        let log = CallLog::new(Arc::clone(&say));
        let (log, secrets) = (Some(log.clone()), Some(Secrets::new()));
        let inspector = inspector(Inspecting { log: log.clone(), secrets, say }).unwrap();
        let pat = format!("ghp{}{}", "_", "a".repeat(36));
        let json = format!("{{\"token\":\"{pat}\"}}");
        let refused = inspector.call("t", Some(json.as_bytes()), None).unwrap_err();
        let why = "a secret is being passed to tool t (rule `github-pat`; `--block-secrets=false` turns the search off)";
        assert_eq!(refused, why);
        assert!(inspector.call("t", None, Some(json.as_bytes())).is_err());
        let refused = inspector.answer("t", json.as_bytes(), false, Duration::ZERO).unwrap_err();
        assert!(
            refused.starts_with("a secret is being returned by the t tool (rule `github-pat`"),
            "{refused}"
        );
        inspector.call("u", Some(b"{\"name\":\"value\"}"), None).unwrap();
        inspector.answer("u", b"{\"code\":1}", true, Duration::ZERO).unwrap();
        log.unwrap().flush();
        let said = said.lock().unwrap().clone();
        assert!(
            !said.contains(&pat) && !said.contains("value") && !said.contains("Calling tool t with"),
            "{said}"
        );
        assert!(said.contains("  - Calling tool u with arguments: object with 1 field(s)\n"), "{said}");
        assert!(!said.contains("Calling tool u took"), "an error is no result: {said}");
    }
}
