//! Services: a container each, and the door before it.

use super::super::containers::{Found, Wanted};
use super::super::front::{Asked, Front, forward};
use super::super::google::{GATEWAY, Good};
use super::{Inner, PARENT, last, plain, refused};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A service.
pub(super) struct Service {
    document: Value,
    /// Who may do what.
    pub(super) policy: Value,
    /// How far its container is.
    stage: Stage,
    deleted: bool,
    /// Its door; closed with the service.
    door: Option<Front>,
}

enum Stage {
    Starting,
    Running(String),
    Failed { reason: &'static str, message: String },
}

/// The time as the interfaces write it.
pub(super) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (i64::try_from(seconds / 86_400).unwrap(), seconds % 86_400);
    // The other way round than in the plugin (days to date, proleptic Gregorian calendar).
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let of_years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_years + of_years / 4 - of_years / 100);
    let m = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * m + 2) / 5 + 1, if m < 10 { m + 3 } else { m - 9 });
    let year = of_years + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.000000Z", rest / 3600, rest / 60 % 60, rest % 60)
}

impl Inner {
    pub(super) fn create(self: Arc<Self>, asked: &Asked, mut body: Value) -> (u16, Value) {
        let name = asked.query("serviceId").unwrap_or_default().to_owned();
        let fits = |name: &str| {
            name.len() < 50
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && !name.ends_with('-')
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if asked.plain_path() != format!("{PARENT}/services") || !fits(&name) {
            self.state().wrong.push(format!("POST services at {}", asked.path));
            return refused(400, "INVALID_ARGUMENT", "no good serviceId");
        }
        body["name"] = format!("{}/services/{name}", PARENT.trim_start_matches("/v2/")).into();
        body["createTime"] = now().into();
        body["generation"] = "1".into();
        {
            let mut state = self.state();
            if state.services.contains_key(&name) {
                return refused(409, "ALREADY_EXISTS", "it is there");
            }
            let service = Service {
                document: body.clone(),
                policy: json!({"etag": "1"}),
                stage: Stage::Starting,
                deleted: false,
                door: None,
            };
            state.services.insert(name.clone(), service);
        }
        let operation = format!("{}/operations/{name}", PARENT.trim_start_matches("/v2/"));
        tokio::spawn(async move { self.start(name, body).await });
        (200, json!({"name": operation, "done": false}))
    }

    async fn start(self: Arc<Self>, name: String, document: Value) {
        let (stage, door) = match self.container(&document).await {
            Ok((container, port)) => {
                let inner = Arc::clone(&self);
                let own = (name.clone(), container.clone());
                let door = Front::start(move |asked| {
                    let (inner, (name, container)) = (Arc::clone(&inner), own.clone());
                    Box::pin(async move { Some(inner.let_in(&name, &container, port, asked).await) })
                });
                (Stage::Running(container), Some(door.await))
            }
            Err(failed) => (failed, None),
        };
        let orphan = {
            let mut state = self.state();
            match (state.services.get_mut(&name), stage) {
                (Some(service), stage) => {
                    service.stage = stage;
                    service.door = door;
                    None
                }
                (None, Stage::Running(container)) => Some(container),
                _ => None,
            }
        };
        if let Some(container) = orphan {
            self.containers.remove(&container).await;
        }
    }

    async fn container(&self, document: &Value) -> Result<(String, u64), Stage> {
        let container = &document["template"]["containers"][0];
        let texts = |key: &str| {
            let list = container[key].as_array().into_iter().flatten();
            list.filter_map(|word| word.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let port = container["ports"][0]["containerPort"].as_u64().unwrap_or(8080);
        let mut environment = vec![("PORT".to_owned(), port.to_string())];
        let account = document["template"]["serviceAccount"].as_str().unwrap_or_default();
        for variable in container["env"].as_array().into_iter().flatten() {
            let name = variable["name"].as_str().unwrap_or_default().to_owned();
            if let Some(value) = variable["value"].as_str() {
                environment.push((name, value.to_owned()));
                continue;
            }
            let wanted = last(variable["valueSource"]["secretKeyRef"]["secret"].as_str().unwrap_or_default());
            let state = self.state();
            let secret = state.secrets.get(wanted).filter(|secret| {
                let member = format!("serviceAccount:{account}");
                Self::has(&secret["policy"], "roles/secretmanager.secretAccessor", &member)
            });
            match secret.and_then(|secret| secret["data"].as_str()) {
                Some(value) => environment.push((name, value.to_owned())),
                None => {
                    let message = format!("Permission denied on secret: {wanted}");
                    return Err(Stage::Failed { reason: "SECRETS_ACCESS_CHECK_FAILED", message });
                }
            }
        }
        let wanted = Wanted {
            image: container["image"].as_str().unwrap_or_default().to_owned(),
            entrypoint: texts("command"),
            command: texts("args"),
            folder: container["workingDir"].as_str().map(str::to_owned),
            environment,
            ..Wanted::default()
        };
        let container = self
            .containers
            .start(&wanted)
            .await
            .map_err(|message| Stage::Failed { reason: "CONTAINER_MISSING", message })?;
        // The startup probe.
        loop {
            match self.containers.find(&container).await {
                Found::Running(address) => {
                    if tokio::net::TcpStream::connect(format!("{address}:{port}")).await.is_ok() {
                        return Ok((container, port));
                    }
                }
                found => {
                    self.containers.remove(&container).await;
                    let message = format!("the container did not listen on port {port}: {found:?}");
                    return Err(Stage::Failed { reason: "HEALTH_CHECK_CONTAINER_ERROR", message });
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Only who shows an identity token for this very address, and may invoke the service.
    async fn let_in(&self, name: &str, container: &str, port: u64, asked: Asked) -> super::Answer {
        let header = asked.header("authorization").to_owned();
        let allowed = {
            let mut state = self.state();
            let own = state.services.get(name).and_then(|service| {
                let uri = service.door.as_ref()?.url();
                Some((
                    uri,
                    Self::has(&service.policy, "roles/run.invoker", &format!("serviceAccount:{GATEWAY}")),
                ))
            });
            let good = self.tokens.good(&header);
            let fits = own
                .as_ref()
                .is_some_and(|(uri, invoker)| *invoker && good == Some(Good::Identity(uri.clone())));
            if fits {
                state.shown.insert(header);
            } else if header.is_empty() && asked.method == http::Method::GET {
                // Somebody looks whether anything answers; that is no request of MCP.
            } else {
                state.wrong.push(format!("at the door of {name}: {good:?} for {own:?}"));
            }
            fits
        };
        if !allowed {
            return plain(403, "Your client does not have permission to get this URL");
        }
        let Found::Running(address) = self.containers.find(container).await else {
            return plain(503, "the container is gone");
        };
        match forward(&format!("{address}:{port}"), &asked).await {
            Ok(answer) => answer,
            Err(error) => plain(503, &error.to_string()),
        }
    }

    pub(super) fn operation(&self, plain: &str) -> (u16, Value) {
        let name = last(plain);
        let done =
            !self.state().services.get(name).is_some_and(|found| matches!(found.stage, Stage::Starting));
        (200, json!({"name": plain.trim_start_matches("/v2/"), "done": done, "response": {}}))
    }

    pub(super) fn get(self: Arc<Self>, plain: &str) -> (u16, Value) {
        let name = last(plain).to_owned();
        let mut state = self.state();
        let Some(service) = state.services.get_mut(&name) else {
            return refused(404, "NOT_FOUND", "no service");
        };
        if service.deleted {
            let removed = state.services.remove(&name);
            drop(state);
            if let Some(Service { stage: Stage::Running(container), .. }) = removed {
                tokio::spawn(async move { self.containers.remove(&container).await });
            }
            return refused(404, "NOT_FOUND", "no service");
        }
        (200, described(service))
    }

    pub(super) fn list_services(&self) -> (u16, Value) {
        let state = self.state();
        (200, json!({"services": state.services.values().map(described).collect::<Vec<_>>()}))
    }

    /// Takes until the next look.
    pub(super) fn delete(&self, plain: &str) -> (u16, Value) {
        match self.state().services.get_mut(last(plain)) {
            Some(service) => {
                service.deleted = true;
                let operation =
                    format!("{}/operations/delete-{}", PARENT.trim_start_matches("/v2/"), last(plain));
                (200, json!({"name": operation, "done": false}))
            }
            None => refused(404, "NOT_FOUND", "no service"),
        }
    }
}

fn described(service: &Service) -> Value {
    let mut document = service.document.clone();
    let (reconciling, condition) = match &service.stage {
        Stage::Starting => (true, json!({"state": "CONDITION_RECONCILING"})),
        Stage::Running(_) => (false, json!({"state": "CONDITION_SUCCEEDED"})),
        Stage::Failed { reason, message } => {
            (false, json!({"state": "CONDITION_FAILED", "reason": reason, "message": message}))
        }
    };
    document["reconciling"] = reconciling.into();
    document["observedGeneration"] = (if reconciling { "0" } else { "1" }).into();
    document["terminalCondition"] = condition;
    if let Some(door) = &service.door {
        document["uri"] = door.url().into();
    }
    document
}
