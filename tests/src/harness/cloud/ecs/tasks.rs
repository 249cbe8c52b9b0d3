//! The containers of tasks.

use super::Inner;
use crate::harness::cloud::containers::{Found, Wanted};
use crate::harness::cloud::front::Asked;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// What became of a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Task {
    /// Its containers are being started.
    Starting,
    /// Its container runs.
    Running { container: String, volumes: Vec<String>, log: Option<(String, String)> },
    /// It has ended by itself: what AWS says about it.
    Ended { code: String, reason: String, container: Value },
    /// Somebody stopped it.
    Stopped,
}

impl Inner {
    /// Starts the containers of a task, one after the other.
    pub(super) async fn start(self: Arc<Self>, arn: String, definition: Value) {
        let id = arn.rsplit('/').next().unwrap_or_default().to_owned();
        let task = match self.containers_of(&id, &definition).await {
            Ok((container, volumes)) => {
                let log = log(&definition, &id);
                Task::Running { container, volumes, log }
            }
            Err(reason) => {
                Task::Ended { code: "TaskFailedToStart".to_owned(), reason, container: Value::Null }
            }
        };
        let stopped = {
            let mut state = self.state();
            match state.tasks.get(&arn) {
                Some(Task::Starting) => {
                    state.tasks.insert(arn, task.clone());
                    false
                }
                _ => true,
            }
        };
        if stopped {
            self.clear(&task).await;
        }
    }

    async fn containers_of(&self, id: &str, definition: &Value) -> Result<(String, Vec<String>), String> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let volume =
            |name: &Value| self.containers.volume(&format!("{id}-{}", name.as_str().unwrap_or_default()));
        let volumes: Vec<String> =
            list(&definition["volumes"]).iter().map(|found| volume(&found["name"])).collect();
        let mut started = None;
        for container in list(&definition["containerDefinitions"]) {
            let texts = |key: &str| {
                let words = list(&container[key]);
                words.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
            };
            let mut wanted = Wanted {
                image: container["image"].as_str().unwrap_or_default().to_owned(),
                entrypoint: texts("entryPoint"),
                command: texts("command"),
                user: container["user"].as_str().map(str::to_owned),
                folder: container["workingDirectory"].as_str().map(str::to_owned),
                memory_mib: container["memory"].as_u64(),
                ..Wanted::default()
            };
            for variable in list(&container["environment"]) {
                let text = |key: &str| variable[key].as_str().unwrap_or_default().to_owned();
                wanted.environment.push((text("name"), text("value")));
            }
            for secret in list(&container["secrets"]) {
                let from = secret["valueFrom"].as_str().unwrap_or_default();
                let value = self.moto.secret(from).await.ok_or_else(|| {
                    format!("ResourceInitializationError: unable to pull secrets or registry auth: ResourceNotFoundException: {from}")
                })?;
                wanted.environment.push((secret["name"].as_str().unwrap_or_default().to_owned(), value));
            }
            for mount in list(&container["mountPoints"]) {
                let mode = if mount["readOnly"] == true { ":ro" } else { "" };
                let target = format!("{}{mode}", mount["containerPath"].as_str().unwrap_or_default());
                wanted.volumes.push((volume(&mount["sourceVolume"]), target));
            }
            let not_started = |error: String| {
                let image = &wanted.image;
                match error.contains("No such image") {
                    true => format!(
                        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: not found"
                    ),
                    false => format!("CannotStartContainerError: {error}"),
                }
            };
            if container["essential"] == false {
                self.containers.run(&wanted).await.map_err(not_started)?;
            } else {
                started = Some(self.containers.start(&wanted).await.map_err(not_started)?);
            }
        }
        Ok((started.ok_or("there is no essential container")?, volumes))
    }

    async fn clear(&self, task: &Task) {
        if let Task::Running { container, volumes, .. } = task {
            self.containers.remove(container).await;
            for volume in volumes {
                self.containers.remove_volume(volume).await;
            }
        }
    }

    pub(super) async fn stop_task(&self, asked: &Asked, arn: &str) -> (u16, Bytes) {
        let before = {
            let mut state = self.state();
            match state.tasks.get_mut(arn) {
                Some(task @ (Task::Starting | Task::Running { .. })) => {
                    Some(std::mem::replace(task, Task::Stopped))
                }
                Some(_) => None,
                None => {
                    let text = json!({"__type": "InvalidParameterException", "message": "The referenced task was not found."});
                    return (400, text.to_string().into());
                }
            }
        };
        if let Some(task) = before {
            self.clear(&task).await;
        }
        self.forward(asked).await
    }

    /// What moto says, with what the engine says.
    pub(super) async fn describe_tasks(&self, asked: &Asked) -> (u16, Bytes) {
        let (status, bytes) = self.forward(asked).await;
        let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else { return (status, bytes) };
        for described in answer["tasks"].as_array_mut().into_iter().flatten() {
            let arn = described["taskArn"].as_str().unwrap_or_default().to_owned();
            let (task, made) = {
                let state = self.state();
                (state.tasks.get(&arn).cloned(), state.made.get(&arn).copied())
            };
            if let Some(made) = made {
                described["createdAt"] = made.into();
            }
            match task {
                None => {}
                Some(Task::Starting) => described["lastStatus"] = "PENDING".into(),
                Some(Task::Stopped) => {
                    described["lastStatus"] = "STOPPED".into();
                    described["stopCode"] = "UserInitiated".into();
                }
                Some(Task::Ended { code, reason, container }) => {
                    self.moto.stop(&self.cluster, &arn).await;
                    end(described, &code, &reason, &container);
                }
                Some(Task::Running { container, volumes, log }) => {
                    match self.containers.find(&container).await {
                        Found::Running(address) => move_to(described, &address),
                        found => {
                            let ended = self.ended(&container, found, log).await;
                            self.clear(&Task::Running { container, volumes, log: None }).await;
                            if let Task::Ended { code, reason, container } = &ended {
                                end(described, code, reason, container);
                            }
                            self.state().tasks.insert(arn.clone(), ended);
                            self.moto.stop(&self.cluster, &arn).await;
                        }
                    }
                }
            }
        }
        (status, answer.to_string().into())
    }

    async fn ended(&self, container: &str, found: Found, log: Option<(String, String)>) -> Task {
        if let Some((group, stream)) = log {
            let lines = self.containers.lines(container).await;
            self.moto.write_log(&group, &stream, &lines).await;
        }
        let container = match found {
            Found::Ended { exit, out_of_memory } => {
                let reason =
                    if out_of_memory { "OutOfMemoryError: Container killed due to memory usage" } else { "" };
                json!({"name": "server", "lastStatus": "STOPPED", "exitCode": exit, "reason": reason})
            }
            _ => json!({"name": "server", "lastStatus": "STOPPED", "reason": "the container was removed"}),
        };
        let reason = "Essential container in task exited".to_owned();
        Task::Ended { code: "EssentialContainerExited".to_owned(), reason, container }
    }
}

/// Group and stream of the container's output.
fn log(definition: &Value, id: &str) -> Option<(String, String)> {
    let containers = definition["containerDefinitions"].as_array()?;
    let server = containers.iter().find(|container| container["essential"] != false)?;
    let options = &server["logConfiguration"]["options"];
    let prefix = options["awslogs-stream-prefix"].as_str()?;
    Some((options["awslogs-group"].as_str()?.to_owned(), format!("{prefix}/server/{id}")))
}

fn end(described: &mut Value, code: &str, reason: &str, container: &Value) {
    described["lastStatus"] = "STOPPED".into();
    described["desiredStatus"] = "STOPPED".into();
    described["stopCode"] = code.into();
    described["stoppedReason"] = reason.into();
    if !container.is_null() {
        described["containers"] = json!([container]);
    }
}

/// The task is where its container is.
fn move_to(described: &mut Value, address: &str) {
    for attachment in described["attachments"].as_array_mut().into_iter().flatten() {
        for detail in attachment["details"].as_array_mut().into_iter().flatten() {
            if detail["name"] == "privateIPv4Address" {
                detail["value"] = address.into();
            }
        }
    }
}
