//! The grant to create objects in a cluster.

use std::fmt;
use std::str::FromStr;

use crate::decode::table::{Form, Table, key};
use crate::decode::{Fields, flag_of};
use crate::misfit::Misfit;
use crate::pattern::Pattern;
use crate::report::Report;

/// To create objects in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesGrant {
    /// In these namespaces only.
    pub namespaces: Vec<String>,
    /// Of these kinds only.
    pub kinds: Vec<ObjectKind>,
    /// The context of the kubeconfig; none for the current one, or the cluster the gateway runs in.
    pub context: Option<String>,
    /// Secrets that pods may refer to, beside those that are made for them.
    pub secrets: Vec<Pattern>,
    /// ConfigMaps, likewise.
    pub config_maps: Vec<Pattern>,
    /// Volume claims, likewise.
    pub claims: Vec<Pattern>,
    /// Service accounts that pods may have.
    pub service_accounts: Vec<Pattern>,
    /// Images beside those of the servers' entries.
    pub images: Vec<Pattern>,
    /// Whether pods may have rights beyond themselves.
    pub privileged: bool,
}

/// A kind of object with the version of its API: `v1/Pod`, `apps/v1/Deployment`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKind {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `Deployment`.
    pub kind: String,
}

const NAMES: Form = Form::List(&Form::Special("pattern"));

pub(super) static KUBERNETES: Table = Table::new(
    "plugins.NAME.grants.kubernetes",
    "What the plugin may do in a cluster, on objects of its own.",
    &[&[
        key("namespaces", Form::List(&Form::Special("namespace")), "The namespaces. Required."),
        key(
            "kinds",
            Form::List(&Form::Special("apiVersion/Kind")),
            "The kinds of objects, for example `v1/Pod`. Required.",
        ),
        key("context", Form::Text, "Context of the kubeconfig.")
            .or("the current one, or the cluster the gateway runs in"),
        key("secrets", NAMES, "Secrets of these namespaces that pods may refer to, beside those that are made for them.").or("none"),
        key("configMaps", NAMES, "ConfigMaps, likewise.").or("none"),
        key("claims", NAMES, "Volume claims, likewise.").or("none"),
        key("serviceAccounts", NAMES, "Service accounts that pods may have.").or("none"),
        key("images", NAMES, "Images beside those of the servers' entries, for helpers in their pods.").or("none"),
        key(
            "privileged",
            Form::Flag,
            "Whether pods may have rights beyond themselves (namespaces and folders of the node, capabilities), and Services lead in from outside.",
        )
        .or("false"),
    ]],
);

impl KubernetesGrant {
    pub(super) fn decode_in(grants: &Fields<'_>, report: &mut Report) -> Option<KubernetesGrant> {
        let node = grants.node("kubernetes")?;
        if flag_of(node) == Some(true) {
            let hint = "name the namespaces and kinds: `{namespaces: [mcp], kinds: [v1/Pod]}`";
            report.problem_with_hint(node.at(), "`kubernetes` must be a map, not `true`", hint);
            return None;
        }
        let fields = super::refusable(grants, "kubernetes", report)?;
        let grant = KubernetesGrant {
            namespaces: fields.parsed_list("namespaces", report, namespace),
            kinds: fields.parsed_list("kinds", report, str::parse),
            context: fields.some_text("context", report),
            secrets: fields.parsed_list("secrets", report, str::parse),
            config_maps: fields.parsed_list("configMaps", report, str::parse),
            claims: fields.parsed_list("claims", report, str::parse),
            service_accounts: fields.parsed_list("serviceAccounts", report, str::parse),
            images: fields.parsed_list("images", report, str::parse),
            privileged: fields.flag("privileged", report).unwrap_or_default(),
        };
        super::require(&fields, "namespaces", &grant.namespaces, "[mcp]", report);
        super::require(&fields, "kinds", &grant.kinds, "[v1/Pod]", report);
        fields.done();
        Some(grant)
    }
}

fn namespace(text: &str) -> Result<String, Misfit> {
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        return Ok(text.to_owned());
    }
    Err(Misfit::new(text, "not the name of a namespace")
        .hint("write names of lower-case letters, digits and `-`; there are no patterns"))
}

impl FromStr for ObjectKind {
    type Err = Misfit;

    /// # Errors
    /// Anything but `version/Kind` and `group/version/Kind`.
    fn from_str(text: &str) -> Result<ObjectKind, Misfit> {
        let name = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let fits = match parts.as_slice() {
            [version, kind] => version.starts_with('v') && kind.starts_with(|c: char| c.is_ascii_uppercase()),
            [_, version, kind] => {
                version.starts_with('v') && kind.starts_with(|c: char| c.is_ascii_uppercase())
            }
            _ => false,
        };
        match text.rsplit_once('/') {
            Some((api_version, kind)) if fits && parts.iter().all(|part| name(part)) => {
                Ok(ObjectKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
            }
            _ => Err(Misfit::new(text, "not a kind of object")
                .hint("write it like `v1/Pod` or `apps/v1/Deployment`")),
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_objects() {
        for (text, api_version, kind) in [
            ("v1/Pod", "v1", "Pod"),
            ("apps/v1/Deployment", "apps/v1", "Deployment"),
            ("x.example/v1beta1/T", "x.example/v1beta1", "T"),
        ] {
            let parsed: ObjectKind = text.parse().unwrap();
            assert_eq!((parsed.api_version.as_str(), parsed.kind.as_str()), (api_version, kind));
            assert_eq!(parsed.to_string(), text);
        }
        for refused in ["", "Pod", "v1/pod", "v1/", "/Pod", "*/Pod", "v1/*", "apps/Deployment", "a/b/v1/Pod"]
        {
            refused.parse::<ObjectKind>().unwrap_err();
        }
        for refused in ["", "*", "Mcp", "-a", "a b"] {
            namespace(refused).unwrap_err();
        }
    }
}
