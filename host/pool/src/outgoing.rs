//! A request on its way up: the caller's parameters with the gateway's edits and the protocol's own keys.

use crate::pending::Caller;
use crate::{Declared, SendError};
use bytes::{BufMut, BytesMut};
use host_message::{Digits, JsonKind, Member, Params, Splice, SpliceError, meta, method, write_string};
use std::time::Duration;

/// Bytes that are written beside the caller's parameters at the most: the head, and what we say about ourselves.
const OURS: usize = 1024;

/// A request to be sent to a server.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    pub(crate) method: &'a str,
    params: Option<&'a Params>,
    splice: Splice<'a>,
    pub(crate) timeout: Option<Duration>,
    log_level: Option<&'a str>,
    declared: Option<&'a Declared>,
}

impl<'a> Outgoing<'a> {
    /// A request without parameters.
    #[must_use]
    pub fn new(method: &'a str) -> Self {
        Self {
            method,
            params: None,
            splice: Splice::new(b"{}"),
            timeout: None,
            log_level: None,
            declared: None,
        }
    }

    /// With the parameters of somebody else's request. The client writes the protocol's keys of `_meta` anew: `progressToken` if the
    /// caller had one, revision, client info and capabilities; all other keys pass. The caller must have made sure that
    /// `progressToken` is a string or an integer ([`Params::token`]).
    #[must_use]
    pub fn params(mut self, params: &'a Params) -> Self {
        self.params = Some(params);
        self.splice = params.splice();
        self
    }

    /// The edits of the parameters, to add to: names and URIs, anything but `_meta` and new first members. Edits without parameters make
    /// the request fail.
    pub fn edits(&mut self) -> &mut Splice<'a> {
        &mut self.splice
    }

    /// Gives the call a limit of its own, instead of that of the server's entry.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks a modern server for log messages of this level and above, in the place of what the parameters ask for. No effect on legacy
    /// servers, which are told with `logging/setLevel`.
    #[must_use]
    pub fn log_level(mut self, level: &'a str) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Tells a modern server what this caller can be asked for. No effect on legacy servers, which are told once ([`Pool::declare`]).
    ///
    /// [`Pool::declare`]: crate::Pool::declare
    #[must_use]
    pub fn declared(mut self, declared: &'a Declared) -> Self {
        self.declared = Some(declared).filter(|declared| !declared.is_none());
        self
    }

    /// How many bytes it has at the most.
    pub(crate) fn size(&self) -> usize {
        self.splice.len_bound() + self.declared.map_or(0, |declared| declared.raw().len()) + OURS
    }

    pub(crate) fn caller(&self) -> Caller {
        match self.method {
            method::SUBSCRIPTIONS_LISTEN => Caller::Subscriber,
            method::TOOLS_LIST
            | method::PROMPTS_LIST
            | method::RESOURCES_LIST
            | method::RESOURCE_TEMPLATES_LIST => Caller::Lister,
            _ => Caller::Client,
        }
    }

    /// Writes what follows the head of the request: parameters and the closing brace.
    pub(crate) fn write_tail(
        self,
        id: u64,
        own: Option<&OwnMeta>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let level = self.log_level.map(|level| {
            let mut quoted = Vec::with_capacity(level.len() + 2);
            write_string(&mut quoted, level);
            quoted
        });
        let level = level.as_deref();
        let said = Said { level, capabilities: self.declared.map_or(b"{}", |declared| declared.raw()) };
        let Some(params) = self.params else {
            if !self.splice.is_empty() {
                return Err(SpliceError::Outside.into());
            }
            if let Some(own) = own {
                out.put_slice(b",\"params\":{\"_meta\":{");
                out.put_slice(&own.members(&Missing::ALL, said));
                out.put_slice(b"}}");
            }
            out.put_u8(b'}');
            return Ok(());
        };
        let digits = Digits::new(id);
        let scratch;
        let wrapped;
        let mut splice: Splice<'_> = self.splice;
        match params.meta() {
            Some(member) if member.kind() == JsonKind::Object => {
                if let Some(token) = params.meta_progress_token() {
                    if token.kind() == JsonKind::Null {
                        splice.remove_member(token);
                    } else {
                        splice.set(token, digits.as_bytes());
                    }
                }
                if let Some(subscription) = params.meta_subscription_id() {
                    splice.remove_member(subscription);
                }
                match own {
                    Some(own) => {
                        let missing = own.overwrite(params, said, &mut splice);
                        let level = level.filter(|_| params.meta_log_level().is_none());
                        scratch = own.members(&missing, Said { level, ..said });
                        if !scratch.is_empty() {
                            splice.object_insert_first(member.value_range().start, &scratch);
                        }
                    }
                    None => per_hop(params).into_iter().flatten().for_each(|key| splice.remove_member(key)),
                }
            }
            // Absent or `null`.
            other => match (own, other) {
                (Some(own), Some(null)) => {
                    wrapped = [b"{", own.members(&Missing::ALL, said).as_slice(), b"}"].concat();
                    splice.set(null, &wrapped);
                }
                (Some(own), None) => {
                    wrapped = [b"\"_meta\":{", own.members(&Missing::ALL, said).as_slice(), b"}"].concat();
                    splice.object_insert_first(0, &wrapped);
                }
                (None, Some(null)) => splice.remove_member(null),
                (None, None) => {}
            },
        }
        out.put_slice(b",\"params\":");
        out.reserve(splice.len_bound() + 2);
        splice.write_to(out)?;
        out.put_u8(b'}');
        Ok(())
    }
}

/// The keys that say something about one hop and mean nothing to a legacy server.
fn per_hop(params: &Params) -> [Option<&Member>; 4] {
    [
        params.meta_protocol_version(),
        params.meta_client_info(),
        params.meta_client_capabilities(),
        params.meta_log_level(),
    ]
}

/// What differs from request to request.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    /// Quoted.
    level: Option<&'a [u8]>,
    capabilities: &'a [u8],
}

impl Said<'_> {
    const NOTHING: Self = Self { level: None, capabilities: b"{}" };

    fn is_nothing(&self) -> bool {
        self.level.is_none() && self.capabilities == b"{}"
    }
}

/// Which of our keys the caller's `_meta` does not have.
struct Missing {
    version: bool,
    info: bool,
    capabilities: bool,
}

impl Missing {
    const ALL: Self = Self { version: true, info: true, capabilities: true };
}

/// What we say about ourselves in every request to a modern server.
#[derive(Debug, Clone)]
pub(crate) struct OwnMeta {
    version: Vec<u8>,
    info: Vec<u8>,
    /// All three as members, which is what legacy callers need.
    all: Vec<u8>,
}

impl OwnMeta {
    /// For this revision and this raw client info.
    pub(crate) fn new(revision: &str, client_info: &[u8]) -> Self {
        let mut version = Vec::new();
        write_string(&mut version, revision);
        let mut own = Self { version, info: client_info.to_vec(), all: Vec::new() };
        own.all = own.build(&Missing::ALL, Said::NOTHING);
        own
    }

    /// Our keys as members of an object, without braces.
    fn members(&self, missing: &Missing, said: Said<'_>) -> Vec<u8> {
        if said.is_nothing() && missing.version && missing.info && missing.capabilities {
            return self.all.clone();
        }
        self.build(missing, said)
    }

    /// A whole `params` object that holds nothing else.
    pub(crate) fn params(&self) -> Vec<u8> {
        self.params_with(b"")
    }

    /// The same with further members, which begin with a comma.
    pub(crate) fn params_with(&self, more: &[u8]) -> Vec<u8> {
        [b"{\"_meta\":{", self.all.as_slice(), b"}", more, b"}"].concat()
    }

    fn build(&self, missing: &Missing, said: Said<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let parts = [
            (missing.version, meta::PROTOCOL_VERSION, self.version.as_slice()),
            (missing.info, meta::CLIENT_INFO, self.info.as_slice()),
            (missing.capabilities, meta::CLIENT_CAPABILITIES, said.capabilities),
            (said.level.is_some(), meta::LOG_LEVEL, said.level.unwrap_or_default()),
        ];
        for (_, key, value) in parts.into_iter().filter(|part| part.0) {
            if !out.is_empty() {
                out.push(b',');
            }
            write_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out
    }

    /// Puts our values in the place of the caller's and says which of them it does not have.
    fn overwrite<'a>(&'a self, params: &Params, said: Said<'a>, splice: &mut Splice<'a>) -> Missing {
        let mut set = |member: Option<&Member>, value: &'a [u8]| {
            member.map(|member| splice.set(member, value)).is_none()
        };
        if let Some(level) = said.level {
            set(params.meta_log_level(), level);
        }
        Missing {
            version: set(params.meta_protocol_version(), &self.version),
            info: set(params.meta_client_info(), &self.info),
            capabilities: set(params.meta_client_capabilities(), said.capabilities),
        }
    }
}
