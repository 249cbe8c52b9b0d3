//! Which requests a plugin may send, how they are signed, and where secrets may stand in them.

use super::{HostPattern, NamePattern};

/// Requests that a plugin may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// To these hosts, with their ports.
    pub host: HostPattern,
    /// With these methods, in upper case; `*` for all.
    pub methods: Vec<String>,
    /// To these paths, without query.
    pub paths: Vec<NamePattern>,
    /// Of these operations; empty: of every one.
    pub operations: Vec<NamePattern>,
    /// Operations that change nothing, although they are no GET.
    pub reads: Vec<NamePattern>,
    /// Where secrets of servers may stand.
    pub secrets: Vec<SecretPlace>,
    /// How the host signs them; `None`: not at all.
    pub signer: Option<Signer>,
    /// Whether the host may have an address that is not public, and be spoken to without TLS.
    pub private: bool,
}

/// A place where a server's secret may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    /// Where.
    pub at: PlaceAt,
    /// In requests of these operations; `None`: of all that the grant covers.
    pub operation: Option<NamePattern>,
}

/// Where in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceAt {
    /// In the text at this pointer of a JSON body; `*` stands for one step.
    Json(String),
    /// In this field of a form.
    Form(String),
    /// In this header, in lower case.
    Header(String),
}

/// A signer by the name that a plugin calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: SignerKind,
}

/// How the host signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerKind {
    /// AWS Signature Version 4 with the gateway's own credentials. What is absent is the plugin's to say.
    Aws {
        /// The service in the scope of the signature.
        service: Option<String>,
        /// The region.
        region: Option<String>,
    },
    /// A Google access token with these scopes.
    GoogleAccess {
        /// What it is good for.
        scopes: Vec<String>,
    },
    /// A Google identity token.
    GoogleIdentity {
        /// Whom it is for; `None`: the URL's own origin.
        audience: Option<String>,
    },
    /// A secret of the plugin as bearer token.
    Bearer {
        /// Its name.
        secret: String,
    },
}

/// Operations that hand out secrets or credentials. They are refused wherever they are sent, whatever is granted: what they answer would pass
/// through the plugin.
const HANDS_OUT: [&str; 24] = [
    "GetSecretValue",
    "BatchGetSecretValue",
    "GetParameter",
    "GetParameters",
    "GetParametersByPath",
    "GetParameterHistory",
    "Decrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "ReEncrypt",
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "AssumeRoleWithSAML",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
    "GetAuthorizationToken",
    "CreateAccessKey",
    "GetRoleCredentials",
    "GetCredentialsForIdentity",
    "access",
    "generateAccessToken",
    "generateIdToken",
    "signJwt",
];

/// Whether an operation hands out secrets or credentials.
pub(crate) fn hands_out(operation: &str) -> bool {
    HANDS_OUT.iter().any(|known| known.eq_ignore_ascii_case(operation))
        || operation.eq_ignore_ascii_case("signBlob")
}

impl HttpGrant {
    /// Whether it covers a request, its signer apart. `host` without brackets, `path` without query.
    pub(crate) fn covers(
        &self,
        method: &str,
        host: &str,
        port: u16,
        path: &str,
        operation: Option<&str>,
    ) -> bool {
        self.covers_host(host, port)
            && self.methods.iter().any(|granted| granted == "*" || granted.eq_ignore_ascii_case(method))
            && self.paths.iter().any(|granted| granted.matches(path))
            && (self.operations.is_empty()
                || operation.is_some_and(|name| self.operations.iter().any(|granted| granted.matches(name))))
    }

    /// Whether it covers a host.
    pub(crate) fn covers_host(&self, host: &str, port: u16) -> bool {
        self.host.covers(host, Some(port))
    }

    /// Whether a request of this operation only reads.
    pub(crate) fn only_reads(&self, method: &str, operation: Option<&str>) -> bool {
        matches!(method, "GET" | "HEAD")
            || operation.is_some_and(|name| self.reads.iter().any(|granted| granted.matches(name)))
    }
}

#[cfg(test)]
impl HttpGrant {
    /// One that covers every public host.
    pub(crate) fn any() -> Self {
        Self {
            host: "*:*".parse().expect("a pattern"),
            methods: vec!["*".to_owned()],
            paths: vec![NamePattern::new("*")],
            operations: Vec::new(),
            reads: Vec::new(),
            secrets: Vec::new(),
            signer: None,
            private: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> HttpGrant {
        HttpGrant {
            host: "ecs.*.cloud:443".parse().unwrap(),
            methods: vec!["POST".to_owned()],
            paths: vec![NamePattern::new("/*")],
            operations: vec![NamePattern::new("RunTask"), NamePattern::new("Describe*")],
            reads: vec![NamePattern::new("Describe*")],
            secrets: Vec::new(),
            signer: None,
            private: false,
        }
    }

    #[test]
    fn a_grant_covers_what_it_says() {
        let covers = |method: &str, host: &str, port: u16, path: &str, operation: Option<&str>| {
            grant().covers(method, host, port, path, operation)
        };
        assert!(covers("POST", "ecs.eu-1.cloud", 443, "/", Some("RunTask")));
        assert!(covers("POST", "ecs.eu-1.cloud", 443, "/", Some("DescribeTasks")));
        for (method, host, port, operation) in [
            ("GET", "ecs.eu-1.cloud", 443, Some("RunTask")),
            ("POST", "ecs.eu-1.cloud.evil", 443, Some("RunTask")),
            ("POST", "ecs.eu-1.cloud", 8443, Some("RunTask")),
            ("POST", "ecs.eu-1.cloud", 443, Some("StopTask")),
            ("POST", "ecs.eu-1.cloud", 443, None),
            ("POST", "169.254.169.254", 443, Some("RunTask")),
        ] {
            assert!(!covers(method, host, port, "/", operation), "{method} {host}:{port} {operation:?}");
        }
        assert!(grant().only_reads("POST", Some("DescribeTasks")));
        assert!(!grant().only_reads("POST", Some("RunTask")));
        assert!(grant().only_reads("GET", None));
    }

    #[test]
    fn what_hands_out_secrets_is_known_in_any_letter_case() {
        for operation in ["GetSecretValue", "getsecretvalue", "access", "AssumeRole", "signBlob"] {
            assert!(hands_out(operation), "{operation}");
        }
        assert!(!hands_out("CreateSecret") && !hands_out("DescribeSecret"));
    }
}
