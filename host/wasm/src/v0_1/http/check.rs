//! Whether a request may be sent: by host, method, path, operation, signer and effect. Values are another matter (`fill`).

use super::SHOWN;
use super::fill::template;
use super::signer::Chosen;
use crate::grants::{HttpGrant, hands_out};
use crate::sanitize::line;
use crate::state::Scope;
use crate::v0_1::imported::http::{Effect, Request};
use crate::v0_1::types::{Failure, FailureCategory};
use host_outbound::operations;
use host_web::Target;
use http::Method;

/// A request that may be sent.
pub(super) struct Checked {
    pub(super) method: Method,
    pub(super) target: Target,
    /// What it asks for, where the path does not say it.
    pub(super) operations: Vec<String>,
    pub(super) signer_name: Option<String>,
    /// The element that covers it.
    pub(super) grant: HttpGrant,
    /// What stands in the body in the place of each value that holds a secret, in their order.
    pub(super) markers: Vec<String>,
    /// The body with the markers.
    pub(super) template: Vec<u8>,
}

impl Scope {
    pub(super) fn may_send(&self, request: &Request) -> Result<(Checked, Option<Chosen>), Failure> {
        let config = FailureCategory::Config;
        if request.tls.is_some() {
            let text = "this gateway does not carry TLS profiles yet";
            return Err(self.refuse(FailureCategory::Unsupported, text));
        }
        let target = Target::parse(&request.url)
            .map_err(|error| self.refuse(config, line(&error.text, crate::sanitize::LINE)))?;
        let path = target.path.split('?').next().unwrap_or_default();
        if let Some(odd) = odd_path(path) {
            let text = format!("the path `{}` {odd}", line(path, SHOWN));
            return Err(self.refuse(config, text));
        }
        let method = request.method.to_ascii_uppercase();
        let method: Method = method
            .parse()
            .ok()
            .filter(|_| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase()))
            .filter(|parsed| !matches!(*parsed, Method::CONNECT | Method::TRACE))
            .ok_or_else(|| self.refuse(config, format!("`{}` is no method", line(&request.method, 40))))?;
        let (template, markers) = template(self, request)?;
        let mut headers = Vec::with_capacity(request.headers.len());
        for header in &request.headers {
            headers.push((header.name.as_str(), self.header_shown(header)?));
        }
        let pairs = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let operations = operations(&target.path, pairs, &template);
        if operations.iter().any(|operation| markers.iter().any(|marker| operation.contains(marker))) {
            return Err(
                self.refuse(FailureCategory::Permission, "a secret is no part of an operation's name")
            );
        }
        if let Some(operation) = operations.iter().find(|operation| hands_out(operation)) {
            let text = format!(
                "`{}` hands out secrets or credentials, which do not pass through a plugin",
                line(operation, SHOWN)
            );
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        let (grant, chosen) = self.covering(request, &method, &target, path, &operations)?;
        let signer_name = request.signing.as_ref().map(|signing| line(&signing.signer, 60));
        if !target.secure && !grant.private {
            let text = format!("`{}` must use https", target.origin());
            let hint = format!(
                "plain HTTP is for elements of `plugins.{}.grants.http` with `private: true`",
                self.plugin.name
            );
            return Err(self.refuse_with(FailureCategory::Permission, text, hint));
        }
        self.effect_fits(request, &method, &operations, &grant)?;
        Ok((Checked { method, target, operations, signer_name, grant, markers, template }, chosen))
    }

    /// The element that covers a request with its signer.
    fn covering(
        &self,
        request: &Request,
        method: &Method,
        target: &Target,
        path: &str,
        operations: &[String],
    ) -> Result<(HttpGrant, Option<Chosen>), Failure> {
        let covers = |grant: &&HttpGrant| {
            let covers = |name| grant.covers(method.as_str(), &target.host, target.port, path, name);
            match operations {
                [] => covers(None),
                several => several.iter().all(|name| covers(Some(name.as_str()))),
            }
        };
        let covering: Vec<&HttpGrant> = self.plugin.grants.http.iter().filter(covers).collect();
        let Some(first) = covering.first() else {
            let plugin = &self.plugin.name;
            let operation = match operations {
                [] => String::new(),
                several => format!(" ({})", line(&several.join(", "), SHOWN)),
            };
            let shown = line(path, SHOWN);
            let host = host_and_port(target);
            let text = format!("plugin `{plugin}` may not send {method} {shown}{operation} to {host}");
            let hint = format!(
                "if you trust it with that, add an element that covers it to `plugins.{plugin}.grants.http`: \
                 `{{host: \"{host}\", methods: [{method}], paths: [\"{shown}\"]}}`"
            );
            return Err(self.refuse_with(FailureCategory::Permission, text, hint));
        };
        let Some(signing) = &request.signing else {
            return Ok(((*first).clone(), None));
        };
        let mut why = None;
        for grant in &covering {
            match self.signer(grant, signing, target) {
                Ok(Some(signer)) => return Ok(((*grant).clone(), Some(signer))),
                Ok(None) => {}
                Err(failure) => why = Some(failure),
            }
        }
        Err(why.unwrap_or_else(|| self.no_signer(&signing.signer, target)))
    }

    pub(super) fn no_signer(&self, signer: &str, target: &Target) -> Failure {
        let plugin = &self.plugin.name;
        let (signer, host) = (line(signer, 60), host_and_port(target));
        let text = format!("plugin `{plugin}` may not have requests to {host} signed by `{signer}`");
        let hint = format!(
            "a signer is named under `sign` of the element of `plugins.{plugin}.grants.http` that covers the host"
        );
        self.refuse_with(FailureCategory::Permission, text, hint)
    }

    /// What a request does must be allowed in this call (`wit/v0.1/lifecycle.wit`, "What may be done when").
    fn effect_fits(
        &self,
        request: &Request,
        method: &Method,
        operations: &[String],
        grant: &HttpGrant,
    ) -> Result<(), Failure> {
        match &request.effect {
            Effect::Reads => {
                let only_reads = match operations {
                    [] => grant.only_reads(method.as_str(), None),
                    several => several.iter().all(|name| grant.only_reads(method.as_str(), Some(name))),
                };
                if only_reads {
                    return Ok(());
                }
                let what = match operations {
                    [] => format!("a {method}"),
                    several => format!("`{}`", line(&several.join(" "), SHOWN)),
                };
                let text = format!("{what} is not granted as something that only reads");
                let hint = format!(
                    "name operations that change nothing under `reads` of the element of `plugins.{}.grants.http`",
                    self.plugin.name
                );
                Err(self.refuse_with(FailureCategory::Permission, text, hint))
            }
            Effect::Creates(object) => {
                let Some(record) = self.record.as_ref().filter(|_| self.may_create()) else {
                    return Err(self.refuse_creation());
                };
                if [&object.kind, &object.scope, &object.name]
                    .iter()
                    .any(|part| part.len() > crate::limits::OBJECT_NAME)
                    || object.name.is_empty()
                {
                    let text = "an object that is created needs a name, each part of it of at most 512 bytes";
                    return Err(self.refuse(FailureCategory::Config, text));
                }
                if record.is_untouched() {
                    let text = "a request that creates must come after a checkpoint";
                    let hint = "call `checkpoint` with what is needed to undo it, or `record-object`, before the request";
                    return Err(self.refuse_with(FailureCategory::Permission, text, hint));
                }
                Ok(())
            }
            Effect::Removes(_) | Effect::Changes if self.may_remove() => Ok(()),
            Effect::Removes(_) | Effect::Changes => {
                let text = format!("nothing is changed over `http` in `{}`", self.phase.as_str());
                Err(self.refuse(FailureCategory::Permission, text))
            }
        }
    }
}

fn host_and_port(target: &Target) -> String {
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    format!("{}:{}", line(&host, SHOWN), target.port)
}

/// What two readers of a path could read in two ways.
fn odd_path(path: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let dots = lower.replace("%2e", ".");
    if dots.split('/').any(|step| step == "." || step == "..") {
        return Some("has steps `.` or `..`");
    }
    if ["%2f", "%5c", "%00"].iter().any(|odd| lower.contains(odd)) {
        return Some("has an encoded separator");
    }
    path.contains("//").then_some("has an empty step")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_named() {
        for path in ["/a/../b", "/a/%2E%2e/b", "/./a", "/a%2Fb", "/a%5cb", "/a//b", "/a%00", "/.."] {
            assert!(odd_path(path).is_some(), "{path}");
        }
        for path in ["/", "/v1/projects/p/secrets/s:addVersion", "/a..b/c.d", "/a%20b"] {
            assert_eq!(odd_path(path), None, "{path}");
        }
    }
}
