//! Fields of an entry: what a platform cannot do must be said.

use crate::Bench;
use crate::cases::{Outcome, release};
use crate::stand::{PATIENCE, Stand, call, request};
use host_provisioner::{
    Blueprint, Call, Egress, Failure, Honoured, Provisioned, Provisioner, RequestId, ServerSpec, Unenforced,
};
use std::sync::Arc;

/// A field, and how it is asked for. No other transport: a platform may well offer it, and the server of the case does not speak it.
type Wish = (&'static str, fn(&mut ServerSpec));

const WISHES: [Wish; 3] = [
    ("allowHosts", |spec| spec.egress = Egress::Hosts(vec!["allowed.example:443".to_owned()])),
    ("user", |spec| spec.user = Some("12345:12345".to_owned())),
    ("extraHosts", |spec| spec.extra_hosts = vec!["a.example:10.9.8.7".to_owned()]),
];

/// What one platform cannot do another can. Each wish is either carried out, said to be not enforced, or refused for good and by a sentence.
pub(crate) async fn refuses(bench: &dyn Bench) -> Outcome {
    for (what, wish) in WISHES {
        let stand = Stand::new(bench).await?;
        let mut spec = ServerSpec::clone(&stand.server);
        spec.unenforced = Unenforced::Refuse;
        let without = Arc::new(spec.clone());
        wish(&mut spec);
        let spec = Arc::new(spec);
        let request = request()?;
        let planned = is_planned(&stand, &request, &without, &spec).await;
        match stand.plugin.provision(&call(PATIENCE)?, &spec).await {
            Ok(provisioned) => {
                release(&stand, &provisioned.lease).await?;
                ran(planned, &provisioned).map_err(|why| format!("{what}: it ran although {why}"))?;
            }
            Err(failure) => refused(&failure).map_err(|why| format!("{what}: {why}"))?,
        }
        stand.end().await.map_err(|why| format!("{what}: {why}"))?;
    }
    Ok(())
}

/// Whether the plan of an entry with the wish is another than that of the entry without it. Whoever carries a wish out plans it.
async fn is_planned(stand: &Stand<'_>, request: &RequestId, without: &ServerSpec, with: &ServerSpec) -> bool {
    let plan = async |spec: &ServerSpec| -> Result<Blueprint, Failure> {
        stand.plugin.plan(&Call::new(request.clone(), PATIENCE), spec).await
    };
    match (plan(without).await, plan(with).await) {
        (Ok(without), Ok(with)) => without.documents != with.documents || without.fields != with.fields,
        (without, with) => without.is_ok() != with.is_ok(),
    }
}

/// A server that runs with the wish: it is planned, or the plugin says what became of it.
fn ran(planned: bool, provisioned: &Provisioned) -> Outcome {
    if let Some(field) = provisioned.fields.iter().find(|field| field.honoured == Honoured::NotEnforced) {
        return Err(format!("`{}` is not enforced, and that was to be refused", field.field));
    }
    if !planned && provisioned.fields.is_empty() {
        return Err("neither its plan nor a report says what became of that".to_owned());
    }
    Ok(())
}

fn refused(failure: &Failure) -> Outcome {
    if failure.text.trim().is_empty() {
        return Err("refused without a word".to_owned());
    }
    if failure.class.is_retryable() {
        let (text, class) = (&failure.text, failure.class.as_str());
        return Err(format!("`{text}` is called something that passes ({class})"));
    }
    Ok(())
}
