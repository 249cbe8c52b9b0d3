//! As much of AWS as the plugin calls, with what AWS does and moto does not: client tokens, tags in answers, tasks that take a moment.

use gateway_plugin::fake::FakeHost;
use gateway_plugin::http::{BodyPart, Request, Response};
use gateway_plugin::{Error, Result, value};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Default)]
struct World {
    secrets: BTreeMap<String, Value>,
    definitions: BTreeMap<String, Value>,
    tasks: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
    calls: Vec<String>,
    lost: Option<String>,
    replaced: BTreeMap<String, (u16, String)>,
    /// Exit code and lines of tasks that end by themselves.
    ends: Option<(i32, Vec<String>)>,
}

/// See the module. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Aws(Rc<RefCell<World>>);

impl Aws {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Answers this host's requests.
    pub(super) fn answer(&self, host: &FakeHost) {
        let aws = self.clone();
        host.on_http(move |request| aws.0.borrow_mut().send(request));
    }

    /// The next request of this operation is carried out, and its answer is lost.
    pub(super) fn lose(&self, operation: &str) {
        self.0.borrow_mut().lost = Some(operation.to_owned());
    }

    /// The next request of this operation is answered with this instead.
    pub(super) fn replace(&self, operation: &str, status: u16, body: &str) {
        self.0.borrow_mut().replaced.insert(operation.to_owned(), (status, body.to_owned()));
    }

    /// From now on tasks end by themselves at the second look.
    pub(super) fn ends_with(&self, exit: i32, lines: &[&str]) {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.0.borrow_mut().ends = Some((exit, lines));
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.0.borrow().calls.clone()
    }

    pub(super) fn definitions(&self) -> Vec<Value> {
        self.0.borrow().definitions.values().cloned().collect()
    }

    /// What there is and costs something.
    pub(super) fn left(&self) -> Vec<String> {
        let world = self.0.borrow();
        let tasks = world.tasks.iter().filter(|(_, task)| task["lastStatus"] != "STOPPED");
        let definitions =
            world.definitions.iter().filter(|(_, found)| found["status"] != "DELETE_IN_PROGRESS");
        let mut left: Vec<String> = tasks.map(|(name, _)| name.clone()).collect();
        left.extend(definitions.map(|(name, _)| name.clone()));
        left.extend(world.secrets.keys().chain(world.groups.keys()).cloned());
        left
    }
}

/// The body with its values written as names, as the host would fill them in.
fn body(request: &Request) -> String {
    let part = |part: &BodyPart| match part {
        BodyPart::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        BodyPart::Value(encoded) => value::display(&encoded.value),
    };
    request.body.iter().map(part).collect()
}

fn refused(code: &str, message: &str) -> Response {
    Response::new(400, json!({"__type": code, "message": message}).to_string())
}

impl World {
    fn send(&mut self, request: &Request) -> Result<Response> {
        let body = body(request);
        let header = request.headers.iter().find(|header| header.name == "x-amz-target");
        let operation = match header {
            Some(header) => {
                let target = value::plain(&header.value).unwrap_or_default();
                target.rsplit('.').next().unwrap_or_default().to_owned()
            }
            None => body.split(['=', '&']).nth(1).unwrap_or_default().to_owned(),
        };
        self.calls.push(operation.clone());
        if let Some((status, body)) = self.replaced.remove(&operation) {
            return Ok(Response::new(status, body));
        }
        let response = match header {
            Some(_) => self.json(&operation, &serde_json::from_str(&body).expect("a request is JSON")),
            None => form(&operation),
        };
        if self.lost.as_ref() == Some(&operation) {
            self.lost = None;
            return Err(Error::retryable("read the answer: the connection was cut"));
        }
        Ok(response)
    }

    fn json(&mut self, operation: &str, asked: &Value) -> Response {
        let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
        let answer = match operation {
            "DescribeClusters" => json!({"clusters": [{"status": "ACTIVE"}], "failures": []}),
            "GetServiceQuota" => json!({"Quota": {"Value": 100.0}}),
            "CreateSecret" => {
                let name = text("Name");
                let arn = format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbCdEf");
                if self.secrets.contains_key(&name) {
                    return refused("ResourceExistsException", "it is there");
                }
                let secret = json!({"Name": name, "ARN": arn, "Tags": asked["Tags"], "CreatedDate": 1.0});
                self.secrets.insert(name, secret.clone());
                secret
            }
            "DescribeSecret" => match self.secrets.get(&text("SecretId")) {
                Some(secret) => secret.clone(),
                None => return refused("ResourceNotFoundException", "it is not there"),
            },
            "DeleteSecret" => match self.secrets.remove(&text("SecretId")) {
                Some(secret) => secret,
                None => return refused("ResourceNotFoundException", "it is not there"),
            },
            "ListSecrets" => json!({"SecretList": self.secrets.values().collect::<Vec<_>>()}),
            "CreateLogGroup" => {
                let name = text("logGroupName");
                if self.groups.contains_key(&name) {
                    return refused("ResourceAlreadyExistsException", "it is there");
                }
                self.groups.insert(name.clone(), json!({"logGroupName": name, "creationTime": 1000.0}));
                return Response::new(200, "");
            }
            "DeleteLogGroup" => {
                if self.groups.remove(&text("logGroupName")).is_none() {
                    return refused("ResourceNotFoundException", "it is not there");
                }
                return Response::new(200, "");
            }
            "DescribeLogGroups" => json!({"logGroups": self.groups.values().collect::<Vec<_>>()}),
            "GetLogEvents" => self.events(&text("nextToken")),
            _ => return self.ecs(operation, asked),
        };
        Response::new(200, answer.to_string())
    }

    fn events(&self, token: &str) -> Value {
        let lines = self.ends.as_ref().map(|(_, lines)| lines.clone()).unwrap_or_default();
        let at: usize = token.parse().unwrap_or(0);
        // A line in each page, and at the end the token that was sent.
        let page: Vec<_> = lines.iter().skip(at).take(1).map(|line| json!({"message": line})).collect();
        json!({"events": page, "nextForwardToken": lines.len().min(at + 1).to_string()})
    }

    fn ecs(&mut self, operation: &str, asked: &Value) -> Response {
        let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
        let answer = match operation {
            "RegisterTaskDefinition" => {
                let family = text("family");
                let arn = format!("arn:aws:ecs:eu-central-1:123456789012:task-definition/{family}:1");
                let mut document = asked.clone();
                document["status"] = "ACTIVE".into();
                document["registeredAt"] = 1.0.into();
                self.definitions.insert(arn.clone(), document);
                json!({"taskDefinition": {"taskDefinitionArn": arn}})
            }
            "ListTaskDefinitions" => {
                let fits = |found: &&Value| {
                    found["status"] == asked["status"] && found["family"] == asked["familyPrefix"]
                };
                let arns = self.definitions.iter().filter(|(_, found)| fits(found)).map(|(arn, _)| arn);
                json!({"taskDefinitionArns": arns.collect::<Vec<_>>()})
            }
            "ListTaskDefinitionFamilies" => {
                json!({"families": self.definitions.values().map(|found| &found["family"]).collect::<Vec<_>>()})
            }
            "DescribeTaskDefinition" => {
                let found =
                    self.definitions.values().find(|found| found["family"] == asked["taskDefinition"]);
                let Some(found) = found else { return refused("ClientException", "it is not there") };
                json!({"taskDefinition": found, "tags": found["tags"]})
            }
            "DeregisterTaskDefinition" => {
                let Some(found) = self.definitions.get_mut(&text("taskDefinition")) else {
                    return refused("ClientException", "it is not there");
                };
                found["status"] = "INACTIVE".into();
                json!({})
            }
            "DeleteTaskDefinitions" => {
                for arn in asked["taskDefinitions"].as_array().into_iter().flatten() {
                    let found = self.definitions.get_mut(arn.as_str().unwrap_or_default()).expect("known");
                    assert_eq!(found["status"], "INACTIVE", "deregistered before");
                    found["status"] = "DELETE_IN_PROGRESS".into();
                }
                json!({"failures": []})
            }
            "RunTask" => self.run(asked),
            "DescribeTasks" => self.describe(asked),
            "ListTasks" => {
                let wanted = asked.get("startedBy");
                let fits = |task: &&Value| {
                    task["desiredStatus"] == "RUNNING"
                        && wanted.is_none_or(|wanted| *wanted == task["startedBy"])
                };
                let arns = self.tasks.values().filter(fits).map(|task| &task["taskArn"]);
                json!({"taskArns": arns.collect::<Vec<_>>()})
            }
            "StopTask" => {
                let Some(task) = self.tasks.get_mut(&text("task")) else {
                    return refused("InvalidParameterException", "The referenced task was not found.");
                };
                task["desiredStatus"] = "STOPPED".into();
                json!({})
            }
            other => panic!("the double has no {other}"),
        };
        Response::new(200, answer.to_string())
    }

    fn run(&mut self, asked: &Value) -> Value {
        let token = asked["clientToken"].as_str().expect("a token");
        let arn = format!("arn:aws:ecs:eu-central-1:123456789012:task/team/{token}");
        let task = self.tasks.entry(arn.clone()).or_insert_with(|| {
            json!({
                "taskArn": arn, "lastStatus": "PROVISIONING", "desiredStatus": "RUNNING", "startedBy": token,
                "tags": asked["tags"], "createdAt": 1.0, "cpu": "256",
                "attachments": [{"type": "ElasticNetworkInterface", "details": [
                    {"name": "privateIPv4Address", "value": "10.0.3.17"},
                ]}],
            })
        });
        json!({"tasks": [task], "failures": []})
    }

    /// Each look finds a task one step further.
    fn describe(&mut self, asked: &Value) -> Value {
        let ends = self.ends.clone();
        let mut found = Vec::new();
        for arn in asked["tasks"].as_array().into_iter().flatten() {
            let Some(task) = self.tasks.get_mut(arn.as_str().unwrap_or_default()) else { continue };
            let status = task["lastStatus"].as_str().unwrap_or_default().to_owned();
            let stopping = task["desiredStatus"] == "STOPPED";
            let next = match status.as_str() {
                "RUNNING" if stopping => "DEACTIVATING",
                "PROVISIONING" | "PENDING" | "DEACTIVATING" if stopping => "STOPPED",
                "PROVISIONING" => "PENDING",
                "PENDING" => "RUNNING",
                "RUNNING" => match &ends {
                    Some((exit, _)) => {
                        task["desiredStatus"] = "STOPPED".into();
                        task["stopCode"] = "EssentialContainerExited".into();
                        task["containers"] = json!([{"name": "server", "exitCode": exit}]);
                        "STOPPED"
                    }
                    None => "RUNNING",
                },
                other => other,
            };
            task["lastStatus"] = next.into();
            found.push(task.clone());
        }
        json!({"tasks": found, "failures": []})
    }
}

fn form(operation: &str) -> Response {
    let inside = match operation {
        "GetCallerIdentity" => "<Account>123456789012</Account>",
        "GetRole" => {
            "<AssumeRolePolicyDocument>%7B%22ecs-tasks.amazonaws.com%22%7D</AssumeRolePolicyDocument>"
        }
        "DescribeNetworkInterfaces" => "<publicIp>203.0.113.7</publicIp>",
        _ => "",
    };
    Response::new(200, format!("<{operation}Response>{inside}</{operation}Response>"))
}
