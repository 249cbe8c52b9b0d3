//! What is on the engine, whose it is, and taking away what is nobody's.

use crate::provision::{CONTAINER, NETWORK, remove};
use gateway_plugin::types::{Label, Liveness, ManagedObject, ManagedPage, ObjectRef, Page, SweepPage};
use gateway_plugin::{Context, Error, Host, Result};

/// Containers first, then networks, because a network that still has containers cannot be removed. The cursor says which of both.
const CONTAINERS: &str = "containers ";
/// See [`CONTAINERS`].
const NETWORKS: &str = "networks ";

pub(crate) fn enumerate(host: &Host, page: &Page) -> Result<ManagedPage> {
    let cursor = page.cursor.as_deref().unwrap_or(CONTAINERS);
    let inner = |rest: &str| Page { cursor: (!rest.is_empty()).then(|| rest.to_owned()), limit: page.limit };
    if let Some(rest) = cursor.strip_prefix(CONTAINERS) {
        let found = host.docker().containers(&[], &inner(rest))?;
        let objects = found.containers.into_iter().map(|container| {
            let object = ObjectRef::new(CONTAINER, "", container.name);
            managed(object, &container.labels, container.age_seconds, container.state)
        });
        let next = found.cursor.map_or_else(|| NETWORKS.to_owned(), |cursor| format!("{CONTAINERS}{cursor}"));
        return Ok(ManagedPage { objects: objects.collect(), cursor: Some(next) });
    }
    let Some(rest) = cursor.strip_prefix(NETWORKS) else {
        return Err(Error::permanent(format!("continue at cursor `{cursor}`")));
    };
    let found = host.docker().networks(&[], &inner(rest))?;
    let objects = found.networks.into_iter().map(|network| {
        let text = format!("{} containers", network.containers);
        managed(ObjectRef::new(NETWORK, "", network.name), &network.labels, network.age_seconds, text)
    });
    Ok(ManagedPage {
        objects: objects.collect(),
        cursor: found.cursor.map(|cursor| format!("{NETWORKS}{cursor}")),
    })
}

fn managed(object: ObjectRef, labels: &[Label], age_seconds: u32, text: String) -> ManagedObject {
    let label = |key: &str| labels.iter().find(|label| label.key == key).map(|label| label.value.clone());
    ManagedObject {
        object,
        gateway: label("gateway-id"),
        session: label("gateway-session"),
        plugin: label("gateway-plugin"),
        server_id: label("gateway-server"),
        request: label("gateway-request"),
        age_seconds: Some(age_seconds),
        // An engine keeps no signs of life; the host knows.
        session_alive: None,
        text,
        extras: Vec::new(),
    }
}

/// Removes what belongs to dead sessions. Of an object whose session is not known to be dead, neither age nor state is a reason.
pub(crate) fn sweep(
    host: &Host,
    context: &Context,
    older_than_seconds: u32,
    page: &Page,
) -> Result<SweepPage> {
    let found = enumerate(host, page)?;
    let own = context.labels.iter().find(|label| label.key == "gateway-plugin").map(|label| &label.value);
    let mut swept = SweepPage { cursor: found.cursor, ..SweepPage::default() };
    for object in found.objects {
        let old = object.age_seconds.is_some_and(|age| age >= older_than_seconds);
        let mine = object.plugin.as_ref() == own;
        let Some(session) = object.session.filter(|_| old && mine) else { continue };
        if host.session_liveness(&session) != Liveness::Dead {
            continue;
        }
        match remove(host, &object.object.kind, &object.object.name) {
            Ok(()) => swept.removed.push(object.object),
            Err(error) => swept.failed.push(error.object(object.object).into()),
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests;
