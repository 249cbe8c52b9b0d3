//! Lengths of what plugins hand over (`wit/v0.1/types.wit`, "Limits"). Longer input ends the call with the limit's name.

use crate::limits::{LIST, Met, TEXT};
use crate::v0_1::exported::{Description, Prepared, Provisioned, Reconnected, Refused};
use crate::v0_1::imported::embedded::Spec;
use crate::v0_1::ran::Ran;
use crate::v0_1::types::{
    Blueprint, Cost, Egress, Extra, Failure, FieldReport, Finding, Health, ManagedPage, ObjectRef, Part,
    State, SweepPage, Validation, Value,
};

/// Entries of `failure.details`.
const DETAILS: usize = 100;
/// Bytes of a cursor.
const CURSOR: usize = 4 << 10;

/// Checks one text.
pub(crate) fn text(text: &str) -> Result<(), Met> {
    if text.len() > TEXT { Err(Met::Fixed("bytes of text", TEXT)) } else { Ok(()) }
}

/// Checks one list.
pub(crate) fn list<T>(list: &[T]) -> Result<(), Met> {
    if list.len() > LIST { Err(Met::Fixed("entries of a list", LIST)) } else { Ok(()) }
}

/// Something with texts and lists in it.
pub(crate) trait Bounded {
    /// Checks all of them.
    fn bounded(&self) -> Result<(), Met>;
}

impl Bounded for String {
    fn bounded(&self) -> Result<(), Met> {
        text(self)
    }
}

impl<T: Bounded> Bounded for Vec<T> {
    fn bounded(&self) -> Result<(), Met> {
        list(self)?;
        self.iter().try_for_each(Bounded::bounded)
    }
}

impl<T: Bounded> Bounded for Option<T> {
    fn bounded(&self) -> Result<(), Met> {
        self.as_ref().map_or(Ok(()), Bounded::bounded)
    }
}

impl<A: Bounded, B: Bounded> Bounded for (A, B) {
    fn bounded(&self) -> Result<(), Met> {
        self.0.bounded()?;
        self.1.bounded()
    }
}

impl Bounded for u32 {
    fn bounded(&self) -> Result<(), Met> {
        Ok(())
    }
}

impl Bounded for () {
    fn bounded(&self) -> Result<(), Met> {
        Ok(())
    }
}

impl Bounded for Ran {
    fn bounded(&self) -> Result<(), Met> {
        self.fields.bounded()?;
        self.extras.bounded()
    }
}

impl Bounded for State {
    fn bounded(&self) -> Result<(), Met> {
        let most = crate::limits::STATE;
        if self.data.len() > most { Err(Met::Fixed("bytes of state", most)) } else { Ok(()) }
    }
}

impl Bounded for Part {
    fn bounded(&self) -> Result<(), Met> {
        match self {
            Self::Text(part) => text(part),
            Self::Bytes(part) if part.len() > TEXT => Err(Met::Fixed("bytes of text", TEXT)),
            Self::Bytes(_) => Ok(()),
            Self::Secret(name) => name.name.bounded(),
            Self::Setting(setting) => text(&setting.key),
            Self::Other(json) => text(json),
        }
    }
}

macro_rules! bounded {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Bounded for $type {
            fn bounded(&self) -> Result<(), Met> {
                $(self.$field.bounded()?;)*
                Ok(())
            }
        }
    )*};
}

bounded! {
    ObjectRef { kind, scope, name }
    Extra { name, value }
    FieldReport { field, note }
    Provisioned { state, fields, objects, extras }
    Reconnected { state, objects, extras }
    Health { text, failure, extras }
    Finding { failure }
    Refused { id, failure }
    Cost { amount, currency, per, source, note }
    Validation { fields, findings, costs, extras }
    Prepared { shared, refused, objects, extras }
    Description { name, version, summary, settings_schema, server_settings_schema, reads_state, understands, extras }
}

impl Bounded for Failure {
    fn bounded(&self) -> Result<(), Met> {
        self.step.bounded()?;
        self.text.bounded()?;
        self.hint.bounded()?;
        self.objects.bounded()?;
        self.extras.bounded()?;
        if self.details.len() > DETAILS {
            return Err(Met::Fixed("details of a failure", DETAILS));
        }
        self.details.bounded()
    }
}

impl Bounded for Blueprint {
    fn bounded(&self) -> Result<(), Met> {
        list(&self.documents)?;
        for document in &self.documents {
            text(&document.title)?;
            text(&document.media_type)?;
            text(&document.text)?;
        }
        list(&self.pins)?;
        for pin in &self.pins {
            text(&pin.reference)?;
            text(&pin.digest)?;
        }
        self.costs.bounded()?;
        self.fields.bounded()?;
        self.extras.bounded()
    }
}

/// What a listing's end looks like.
fn cursor(cursor: Option<&String>) -> Result<(), Met> {
    if cursor.is_some_and(|cursor| cursor.len() > CURSOR) {
        return Err(Met::Fixed("bytes of a cursor", CURSOR));
    }
    Ok(())
}

impl Bounded for ManagedPage {
    fn bounded(&self) -> Result<(), Met> {
        list(&self.objects)?;
        for managed in &self.objects {
            managed.object.bounded()?;
            let words =
                [&managed.gateway, &managed.session, &managed.plugin, &managed.server_id, &managed.request];
            words.into_iter().try_for_each(Bounded::bounded)?;
            managed.text.bounded()?;
            managed.extras.bounded()?;
        }
        cursor(self.cursor.as_ref())
    }
}

impl Bounded for SweepPage {
    fn bounded(&self) -> Result<(), Met> {
        self.removed.bounded()?;
        self.failed.bounded()?;
        cursor(self.cursor.as_ref())
    }
}

impl Bounded for Spec {
    fn bounded(&self) -> Result<(), Met> {
        self.component.bounded()?;
        list::<Value>(&self.arguments)?;
        for argument in &self.arguments {
            argument.bounded()?;
        }
        list(&self.environment)?;
        for variable in &self.environment {
            variable.name.bounded()?;
            variable.value.bounded()?;
        }
        list(&self.mounts)?;
        for mount in &self.mounts {
            mount.target.bounded()?;
            mount.options.bounded()?;
        }
        list(&self.files)?;
        for file in &self.files {
            file.path.bounded()?;
            file.content.bounded()?;
        }
        match &self.egress {
            Egress::Only(destinations) => {
                list(destinations)?;
                destinations.iter().try_for_each(|destination| destination.host.bounded())
            }
            Egress::Other(json) => text(json),
            Egress::Unrestricted | Egress::Public | Egress::None => Ok(()),
        }
    }
}
