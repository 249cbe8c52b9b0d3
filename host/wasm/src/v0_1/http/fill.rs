//! Values in headers and bodies: which secrets may stand where, and filling them in at the last moment, outside the plugin.

use super::SHOWN;
use super::check::Checked;
use crate::grants::{PlaceAt, SecretPlace};
use crate::sanitize::line;
use crate::state::Scope;
use crate::v0_1::imported::http::{BodyPart, Effect, EncodedValue, Encoding, Request};
use crate::v0_1::types::{self, Failure, FailureCategory, Header, Part, SecretName, SecretOwner};
use bytes::Bytes;
use host_outbound::{Place, SHORTEST, Unplaced, encode, place_of};
use host_provisioner as provisioner;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::sync::PoisonError;
use zeroize::Zeroizing;

/// Whose secrets a value holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// None.
    Nothing,
    /// The plugin's own.
    Own,
    /// A server's, or one that was generated for it: only where the grant says.
    Server,
}

fn holds(value: &[Part]) -> Holds {
    let mut held = Holds::Nothing;
    for part in value {
        match part {
            Part::Secret(SecretName { owner: SecretOwner::Plugin, .. }) if held == Holds::Nothing => {
                held = Holds::Own
            }
            Part::Secret(SecretName { owner: SecretOwner::Server | SecretOwner::Generated, .. }) => {
                held = Holds::Server
            }
            _ => {}
        }
    }
    held
}

/// The body with a marker in the place of each value that holds a secret, and the markers.
pub(super) fn template(scope: &Scope, request: &Request) -> Result<(Vec<u8>, Vec<String>), Failure> {
    let (mut body, mut markers) = (Vec::new(), Vec::new());
    for part in &request.body {
        match part {
            BodyPart::Bytes(bytes) => body.extend_from_slice(bytes),
            BodyPart::Value(encoded) if holds(&encoded.value) == Holds::Nothing => {
                body.extend_from_slice(&scope.written(&scope.bytes_of(&encoded.value)?, &encoded.encodings)?);
            }
            BodyPart::Value(_) => {
                let mut random = [0; 16];
                getrandom::fill(&mut random).map_err(|_| {
                    scope.refuse(FailureCategory::Retryable, "the system gives no random numbers")
                })?;
                let marker = random.iter().fold("m".to_owned(), |mut text, byte| {
                    // Writing into a text cannot fail.
                    let _ = write!(text, "{byte:02x}");
                    text
                });
                body.extend_from_slice(marker.as_bytes());
                markers.push(marker);
            }
        }
    }
    Ok((body, markers))
}

impl Scope {
    /// A header as a server will see it; nothing of one that holds a secret.
    pub(super) fn header_shown(&self, header: &Header) -> Result<String, Failure> {
        if holds(&header.value) == Holds::Nothing {
            return Ok(String::from_utf8_lossy(&self.bytes_of(&header.value)?).into_owned());
        }
        if header.name.eq_ignore_ascii_case("x-amz-target") {
            let text = "a secret is no part of an operation's name";
            return Err(self.refuse(FailureCategory::Permission, text));
        }
        Ok(String::new())
    }

    /// Headers and body with their values.
    pub(super) async fn filled_request(
        &self,
        request: &Request,
        checked: &Checked,
    ) -> Result<(HeaderMap, Bytes), Failure> {
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for header in &request.headers {
            let held = holds(&header.value);
            if held == Holds::Server {
                let name = header.name.to_ascii_lowercase();
                let listed = |at: &PlaceAt| matches!(at, PlaceAt::Header(granted) if *granted == name);
                self.place_fits(request, checked, &header.value, listed, &format!("the header `{name}`"))?;
            }
            let value = self.value(&header.value, checked).await?;
            let name: HeaderName = header.name.parse().map_err(|_| {
                let text = format!("`{}` cannot be the name of a header", line(&header.name, SHOWN));
                self.refuse(FailureCategory::Config, text)
            })?;
            // The value is not repeated, it may be a secret.
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| {
                let text = format!("the value of the header `{name}` cannot stand in a header");
                self.refuse(FailureCategory::Config, text)
            })?;
            value.set_sensitive(held != Holds::Nothing);
            headers.append(name, value);
        }
        let mut body = Zeroizing::new(Vec::with_capacity(checked.template.len() * 2));
        let mut markers = checked.markers.iter();
        for part in &request.body {
            match part {
                BodyPart::Bytes(bytes) => body.extend_from_slice(bytes),
                BodyPart::Value(encoded) => {
                    if holds(&encoded.value) != Holds::Nothing {
                        let marker = markers.next().map(String::as_str).unwrap_or_default();
                        self.body_place_fits(request, checked, encoded, marker)?;
                    }
                    let value = self.value(&encoded.value, checked).await?;
                    let written = self.written(&value, &encoded.encodings)?;
                    // Growing would leave the old bytes behind.
                    let mut longer = Zeroizing::new(Vec::with_capacity(
                        body.len() + written.len() + checked.template.len(),
                    ));
                    longer.extend_from_slice(&body);
                    longer.extend_from_slice(&written);
                    body = longer;
                }
            }
        }
        Ok((headers, Bytes::from_owner(body)))
    }

    fn body_place_fits(
        &self,
        request: &Request,
        checked: &Checked,
        encoded: &EncodedValue,
        marker: &str,
    ) -> Result<(), Failure> {
        if holds(&encoded.value) != Holds::Server {
            return Ok(());
        }
        let encodings: Vec<_> = encoded.encodings.iter().map(|encoding| of_contract(*encoding)).collect();
        let place = place_of(&checked.template, marker, &encodings).map_err(|unplaced| {
            let text = match unplaced {
                Unplaced::NoSuchBody => "a server's secret stands only in a body that is JSON or a form",
                Unplaced::NoSuchPlace => {
                    "a server's secret stands only inside one text of a JSON body, or one value of a form"
                }
                Unplaced::Encoding => {
                    "a server's secret is encoded so that it stays inside the text that it stands in"
                }
            };
            self.refuse(FailureCategory::Permission, text)
        })?;
        let listed = |at: &PlaceAt| match at {
            PlaceAt::Json(pointer) => place.is_at(pointer),
            PlaceAt::Form(field) => matches!(&place, Place::Form(own) if own == field),
            PlaceAt::Header(_) => false,
        };
        let what = match &place {
            Place::Json(pointer) => pointer.clone(),
            Place::Form(field) => format!("form:{field}"),
        };
        self.place_fits(request, checked, &encoded.value, listed, &format!("`{}`", line(&what, SHOWN)))
    }

    /// A server's secret stands only where the grant says, in a request that does something, in a call that may create.
    fn place_fits(
        &self,
        request: &Request,
        checked: &Checked,
        value: &[Part],
        listed: impl Fn(&PlaceAt) -> bool,
        what: &str,
    ) -> Result<(), Failure> {
        let permission = FailureCategory::Permission;
        if !self.may_create() {
            let text = format!("no secret of a server is used in `{}`", self.phase.as_str());
            return Err(self.refuse(permission, text));
        }
        if matches!(request.effect, Effect::Reads) {
            return Err(self.refuse(permission, "a request that only reads carries no secret of a server"));
        }
        let names = |place: &SecretPlace| match (&place.operation, checked.operations.as_slice()) {
            (None, _) => true,
            (Some(_), []) => false,
            (Some(granted), several) => several.iter().all(|name| granted.matches(name)),
        };
        if checked.grant.secrets.iter().any(|place| names(place) && listed(&place.at)) {
            return Ok(());
        }
        let name = value.iter().find_map(|part| match part {
            Part::Secret(name) => Some(line(&name.name, SHOWN)),
            _ => None,
        });
        let text = format!("secret `{}` may not stand at {what} of this request", name.unwrap_or_default());
        let hint = format!(
            "places of secrets are named under `secrets` of the element of `plugins.{}.grants.http` that covers it",
            self.plugin.name
        );
        Err(self.refuse_with(permission, text, hint))
    }

    /// A value that holds no secret.
    fn bytes_of(&self, value: &[Part]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut bytes = Zeroizing::new(Vec::new());
        for part in value {
            match part {
                Part::Bytes(part) => bytes.extend_from_slice(part),
                other => bytes.extend_from_slice(self.arguments(&[vec![other.clone()]])?.concat().as_bytes()),
            }
        }
        Ok(bytes)
    }

    /// A value with its secrets. What is secret in it is remembered, so that no answer shows it.
    async fn value(&self, value: &types::Value, checked: &Checked) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if holds(value) == Holds::Nothing {
            return self.bytes_of(value);
        }
        let of_server = value.iter().find_map(|part| match part {
            Part::Secret(name) if name.owner == SecretOwner::Server => Some(name),
            _ => None,
        });
        if let Some(name) = of_server {
            let (server, own) = self.own_value(value, name)?;
            self.remember_parts(&server, &own).await?;
            return self.evaluated_value(server, own).await;
        }
        let mut text = Zeroizing::new(Vec::new());
        for part in value {
            let piece = match part {
                Part::Secret(name) if name.owner == SecretOwner::Plugin => {
                    self.secret_may_go(&name.name, &checked.target)?;
                    let secret = self.own_secret(&name.name).await?;
                    self.remember(&name.name, secret.as_bytes())?;
                    Zeroizing::new(secret.as_bytes().to_vec())
                }
                Part::Secret(name) => {
                    let secret = self.generated(&name.name).ok_or_else(|| {
                        let text =
                            format!("no secret `{}` was generated for this lease", line(&name.name, SHOWN));
                        self.refuse(FailureCategory::Config, text)
                    })?;
                    self.remember(&name.name, secret.as_bytes())?;
                    Zeroizing::new(secret.as_bytes().to_vec())
                }
                other => self.bytes_of(std::slice::from_ref(other))?,
            };
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }

    /// The server whose own value this is, unchanged.
    fn own_value(
        &self,
        value: &types::Value,
        name: &SecretName,
    ) -> Result<(String, provisioner::Value), Failure> {
        let id = match (&name.server_id, &self.server) {
            (Some(id), _) => id.clone(),
            (None, Some(server)) => server.spec.id.as_str().to_owned(),
            (None, None) => {
                let text = "this call is for no server, so the server of a secret must be named";
                return Err(self.refuse(FailureCategory::Config, text));
            }
        };
        let prepared = self.prepared.iter().flat_map(|all| all.iter()).find(|spec| spec.id.as_str() == id);
        let own = self.server.as_ref().map(|server| &server.spec).filter(|spec| spec.id.as_str() == id);
        let Some(spec) = prepared.or(own) else {
            let text = format!("server `{}` is not one of this call", line(&id, 64));
            return Err(self.refuse(FailureCategory::Permission, text));
        };
        let values = spec.environment.iter().map(|variable| &variable.value);
        let mut values = values.chain(spec.files.iter().map(|file| &file.content));
        match values.find(|own| crate::v0_1::values::same_as(value, own, &id)) {
            Some(own) => Ok((id, own.clone())),
            None => {
                let text = format!(
                    "secret `{}` stands in no variable or file of server `{}` in that form",
                    line(&name.name, SHOWN),
                    line(&id, 64)
                );
                Err(self.refuse(FailureCategory::Permission, text))
            }
        }
    }

    /// Remembers each secret of a server's value, alone: an answer may repeat it without the text around it.
    async fn remember_parts(&self, server: &str, value: &provisioner::Value) -> Result<(), Failure> {
        let names: Vec<String> = match value {
            provisioner::Value::Text(_) => Vec::new(),
            provisioner::Value::Secret(name) => vec![name.clone()],
            provisioner::Value::Joined(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    provisioner::Part::Secret(name) => Some(name.clone()),
                    provisioner::Part::Text(_) | provisioner::Part::Setting(_) => None,
                })
                .collect(),
        };
        for name in names {
            let secret =
                self.evaluated_value(server.to_owned(), provisioner::Value::Secret(name.clone())).await?;
            self.remember(&name, &secret)?;
        }
        Ok(())
    }

    fn remember(&self, name: &str, value: &[u8]) -> Result<(), Failure> {
        if value.len() < SHORTEST {
            let text = format!(
                "secret `{}` has fewer than {SHORTEST} bytes: it could not be kept out of answers",
                line(name, SHOWN)
            );
            return Err(self.refuse(FailureCategory::Config, text));
        }
        self.put.lock().unwrap_or_else(PoisonError::into_inner).add(value);
        Ok(())
    }

    fn written(&self, value: &[u8], encodings: &[Encoding]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let encodings: Vec<_> = encodings.iter().map(|encoding| of_contract(*encoding)).collect();
        encode(value, &encodings).map_err(|_| {
            self.refuse(
                FailureCategory::Config,
                "a value of the body is no text, and was to be written as one",
            )
        })
    }
}

fn of_contract(encoding: Encoding) -> host_outbound::Encoding {
    match encoding {
        Encoding::JsonString => host_outbound::Encoding::JsonString,
        Encoding::Base64 => host_outbound::Encoding::Base64,
        Encoding::Base64url => host_outbound::Encoding::Base64Url,
        Encoding::Percent => host_outbound::Encoding::Percent,
        Encoding::XmlText => host_outbound::Encoding::XmlText,
    }
}
