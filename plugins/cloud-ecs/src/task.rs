//! The documents that ECS is given. Pure functions.

use crate::entry::{BRIDGE_PORT, Entry, Speaks, TOKEN_VARIABLE};
use crate::names::{Names, ecs_tags};
use crate::plan::{Held, Plan};
use crate::settings::{Capacity, EcsSettings, Place, ServerSettings};
use serde_json::{Map, Value, json};

/// The container of the server.
pub const CONTAINER: &str = "server";
/// The container that puts the bridge into a folder of the server's and ends.
const INSTALL: &str = "bridge";
/// That folder.
const TOOLS: &str = "/gateway";
/// Seconds between SIGTERM and SIGKILL.
const GRACE: u32 = 10;

/// What a task definition needs beside the plan.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Settings of the plugin.
    pub settings: &'a EcsSettings,
    /// Settings of the server.
    pub own: &'a ServerSettings,
    /// Where.
    pub place: &'a Place,
    /// Names and tags.
    pub names: &'a Names,
    /// The log group; without it nothing is logged.
    pub logs: Option<&'a str>,
}

/// The request for `RegisterTaskDefinition`. `arns` are those of the secrets that were made, in order.
#[must_use]
pub fn definition(entry: &Entry<'_>, plan: &Plan, around: &Around<'_>, arns: &[String]) -> Value {
    let settings = around.settings;
    let mut document = json!({
        "family": around.names.base,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": plan.size.cpu_units.to_string(),
        "memory": plan.size.memory_mib.to_string(),
        "runtimePlatform": {
            "cpuArchitecture": if plan.arm { "ARM64" } else { "X86_64" },
            "operatingSystemFamily": "LINUX",
        },
        "containerDefinitions": containers(entry, plan, around, arns),
        "tags": ecs_tags(&around.names.tags),
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(object)) = (value, document.as_object_mut()) {
            object.insert(key.to_owned(), value);
        }
    };
    set("executionRoleArn", settings.execution_role.as_deref().map(Value::from));
    set("taskRoleArn", around.own.task_role.as_deref().or(settings.task_role.as_deref()).map(Value::from));
    set("ephemeralStorage", plan.disk_gib.map(|gib| json!({"sizeInGiB": gib})));
    let volumes = volumes(entry, plan);
    set("volumes", (!volumes.is_empty()).then(|| volumes.into()));
    document
}

fn containers(entry: &Entry<'_>, plan: &Plan, around: &Around<'_>, arns: &[String]) -> Vec<Value> {
    let mut server = server(entry, plan, around, arns);
    if entry.speaks != Speaks::Bridge {
        return vec![Value::Object(server)];
    }
    server.insert("dependsOn".to_owned(), json!([{"containerName": INSTALL, "condition": "SUCCESS"}]));
    let mut install = json!({
        "name": INSTALL,
        "image": around.settings.bridge_image,
        "essential": false,
        "memory": 64,
        "command": ["--install", format!("{TOOLS}/gateway-bridge")],
        "mountPoints": [{"sourceVolume": INSTALL, "containerPath": TOOLS, "readOnly": false}],
    });
    if let (Some(log), Some(object)) = (log(around), install.as_object_mut()) {
        object.insert("logConfiguration".to_owned(), log);
    }
    vec![install, Value::Object(server)]
}

fn server(entry: &Entry<'_>, plan: &Plan, around: &Around<'_>, arns: &[String]) -> Map<String, Value> {
    let memory = entry.limits.memory.as_ref().map_or(plan.size.memory_mib, |memory| memory.mib.max(6));
    let mut document = Map::new();
    let mut set = |key: &str, value: Value| {
        let empty = value.as_array().is_some_and(Vec::is_empty);
        if !empty && !value.is_null() {
            document.insert(key.to_owned(), value);
        }
    };
    set("name", CONTAINER.into());
    set("image", plan.image.as_str().into());
    set("essential", true.into());
    set("memory", memory.into());
    let own = plan.entrypoint.clone().unwrap_or_default();
    if entry.speaks == Speaks::Bridge {
        let mut words = vec![format!("{TOOLS}/gateway-bridge"), "--listen".to_owned()];
        words.push(format!(":{BRIDGE_PORT}"));
        // Nobody gets to the server without it, whatever the security groups let in.
        words.extend(["--token-variable", TOKEN_VARIABLE, "--"].map(str::to_owned));
        words.extend(own);
        set("entryPoint", words.into());
    } else {
        set("entryPoint", own.into());
    }
    set("command", plan.arguments.clone().into());
    set("workingDirectory", entry.image.working_directory.as_deref().into());
    set("user", entry.user.into());
    set("environment", environment(plan));
    set("secrets", secrets(plan, arns));
    let port = |port: u16| json!({"containerPort": port, "protocol": "tcp"});
    set("portMappings", entry.port().map(port).into_iter().collect());
    set("mountPoints", mounts(entry, plan));
    set("linuxParameters", json!({"initProcessEnabled": true}));
    set("stopTimeout", GRACE.into());
    set("logConfiguration", log(around).unwrap_or_default());
    document
}

fn environment(plan: &Plan) -> Value {
    let plain = plan.variables.iter().filter_map(|variable| match &variable.value {
        Held::Plain(text) => Some(json!({"name": variable.name, "value": text})),
        Held::Arn(_) | Held::Made(..) => None,
    });
    plain.collect()
}

fn secrets(plan: &Plan, arns: &[String]) -> Value {
    let secret = plan.variables.iter().filter_map(|variable| {
        let from = match &variable.value {
            Held::Plain(_) => return None,
            Held::Arn(arn) => arn.as_str(),
            Held::Made(at, _) => arns.get(*at).map_or("", String::as_str),
        };
        Some(json!({"name": variable.name, "valueFrom": from}))
    });
    secret.collect()
}

fn volumes(entry: &Entry<'_>, plan: &Plan) -> Vec<Value> {
    let mut volumes: Vec<Value> = Vec::new();
    for (at, folder) in plan.folders.iter().enumerate() {
        let mut volume = json!({"name": format!("folder-{at}")});
        if let (Some(on), Some(object)) = (&folder.on, volume.as_object_mut()) {
            let mut efs = json!({"fileSystemId": on.file_system, "transitEncryption": "ENABLED"});
            if let Some(efs) = efs.as_object_mut() {
                if let Some(point) = &on.access_point {
                    let authorization = json!({"accessPointId": point, "iam": "ENABLED"});
                    efs.insert("authorizationConfig".to_owned(), authorization);
                }
                if let Some(root) = &on.folder {
                    efs.insert("rootDirectory".to_owned(), root.as_str().into());
                }
            }
            object.insert("efsVolumeConfiguration".to_owned(), efs);
        }
        volumes.push(volume);
    }
    if entry.speaks == Speaks::Bridge {
        volumes.push(json!({"name": INSTALL}));
    }
    volumes
}

fn mounts(entry: &Entry<'_>, plan: &Plan) -> Value {
    let mut mounts: Vec<Value> = Vec::new();
    for (at, folder) in plan.folders.iter().enumerate() {
        let name = format!("folder-{at}");
        mounts.push(
            json!({"sourceVolume": name, "containerPath": folder.target, "readOnly": folder.read_only}),
        );
    }
    if entry.speaks == Speaks::Bridge {
        mounts.push(json!({"sourceVolume": INSTALL, "containerPath": TOOLS, "readOnly": true}));
    }
    mounts.into()
}

fn log(around: &Around<'_>) -> Option<Value> {
    let options = json!({
        "awslogs-group": around.logs?,
        "awslogs-region": around.place.region,
        "awslogs-stream-prefix": around.names.base,
    });
    Some(json!({"logDriver": "awslogs", "options": options}))
}

/// The log stream of the server's container in a task.
#[must_use]
pub fn log_stream(base: &str, task: &str) -> String {
    let id = task.rsplit('/').next().unwrap_or(task);
    format!("{base}/{CONTAINER}/{id}")
}

/// The request for `RunTask`.
#[must_use]
pub fn run(settings: &EcsSettings, place: &Place, names: &Names, definition: &str) -> Value {
    let mut document = json!({
        "cluster": place.cluster,
        "taskDefinition": definition,
        "count": 1,
        "platformVersion": "LATEST",
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": settings.subnets,
            "securityGroups": settings.security_groups,
            "assignPublicIp": if settings.assign_public_ip { "ENABLED" } else { "DISABLED" },
        }},
        "clientToken": names.token,
        "startedBy": names.token,
        "enableExecuteCommand": false,
        "tags": ecs_tags(&names.tags),
    });
    let (key, value) = match settings.capacity {
        Capacity::Fargate => ("launchType", json!("FARGATE")),
        Capacity::FargateSpot => {
            ("capacityProviderStrategy", json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]))
        }
    };
    if let Some(object) = document.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    document
}
