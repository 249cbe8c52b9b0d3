//! Requests of a test to moto itself.

use crate::harness::cloud::front::{Asked, forwarded};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::collections::HashMap;

const ECS: &str = "AmazonEC2ContainerServiceV20141113";
const LOGS: &str = "Logs_20140328";

/// See the module.
pub(super) struct Moto {
    /// `HOST:PORT`.
    pub(super) authority: String,
}

impl Moto {
    pub(super) fn at(endpoint: &str) -> Self {
        Self { authority: endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned() }
    }

    async fn send(&self, service: &str, headers: &[(&'static str, &str)], body: String) -> (u16, Bytes) {
        let mut all = HeaderMap::new();
        // The signature is not looked at; the scope chooses the service.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        all.insert("authorization", authorization.parse().unwrap());
        for (name, value) in headers {
            all.insert(*name, value.parse().unwrap());
        }
        let asked = Asked { method: Method::POST, path: "/".to_owned(), headers: all, body: body.into() };
        forwarded(&self.authority, &asked).await.unwrap()
    }

    pub(super) async fn json(&self, service: &str, target: &str, body: &Value) -> (u16, Value) {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.1")];
        let (status, bytes) = self.send(service, &headers, body.to_string()).await;
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn ecs(&self, operation: &str, body: &Value) -> (u16, Value) {
        self.json("ecs", &format!("{ECS}.{operation}"), body).await
    }

    async fn form(&self, service: &str, body: &str) -> String {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let (_, bytes) = self.send(service, &headers, body.to_owned()).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A role that tasks may take.
    pub(super) async fn role(&self, name: &str) -> String {
        let policy = "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ecs-tasks.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
        let form =
            format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={policy}");
        let xml = self.form("iam", &form).await;
        between(&xml, "Arn").unwrap_or_else(|| panic!("no role: {xml}"))
    }

    /// A subnet of the default network, and its security group.
    pub(super) async fn network(&self) -> (String, String) {
        let subnets = self.form("ec2", "Action=DescribeSubnets&Version=2016-11-15").await;
        let groups = self.form("ec2", "Action=DescribeSecurityGroups&Version=2016-11-15").await;
        (between(&subnets, "subnetId").unwrap(), between(&groups, "groupId").unwrap())
    }

    /// Takes the cluster and the role of a test away.
    pub(super) async fn forget(&self, name: &str) {
        self.ecs("DeleteCluster", &json!({"cluster": name})).await;
        self.form("iam", &format!("Action=DeleteRole&Version=2010-05-08&RoleName={name}")).await;
    }

    pub(super) async fn stop(&self, cluster: &str, arn: &str) {
        self.ecs("StopTask", &json!({"cluster": cluster, "task": arn})).await;
    }

    pub(super) async fn running(&self, cluster: &str) -> Vec<String> {
        let request = json!({"cluster": cluster, "desiredStatus": "RUNNING"});
        texts(&self.ecs("ListTasks", &request).await.1["taskArns"])
    }

    pub(super) async fn tags(&self, cluster: &str) -> Vec<HashMap<String, String>> {
        let arns = self.running(cluster).await;
        let request = json!({"cluster": cluster, "tasks": arns, "include": ["TAGS"]});
        let (_, answer) = self.ecs("DescribeTasks", &request).await;
        let tasks = answer["tasks"].as_array().cloned().unwrap_or_default();
        let pair = |tag: &Value| {
            let text = |key: &str| tag[key].as_str().unwrap_or_default().to_owned();
            (text("key"), text("value"))
        };
        tasks.iter().map(|task| task["tags"].as_array().into_iter().flatten().map(pair).collect()).collect()
    }

    pub(super) async fn definition_is_active(&self, arn: &str) -> bool {
        let (status, answer) = self.ecs("DescribeTaskDefinition", &json!({"taskDefinition": arn})).await;
        status == 200 && matches!(answer["taskDefinition"]["status"].as_str(), Some("ACTIVE" | "INACTIVE"))
    }

    pub(super) async fn create_secret(&self, name: &str, value: &str) -> String {
        let request = json!({"Name": name, "SecretString": value});
        let (_, answer) = self.json("secretsmanager", "secretsmanager.CreateSecret", &request).await;
        answer["ARN"].as_str().unwrap().to_owned()
    }

    pub(super) async fn secret(&self, arn: &str) -> Option<String> {
        let request = json!({"SecretId": arn});
        let (_, answer) = self.json("secretsmanager", "secretsmanager.GetSecretValue", &request).await;
        answer["SecretString"].as_str().map(str::to_owned)
    }

    pub(super) async fn has_secret(&self, name: &str) -> bool {
        let request = json!({"SecretId": name});
        self.json("secretsmanager", "secretsmanager.DescribeSecret", &request).await.0 == 200
    }

    pub(super) async fn has_group(&self, name: &str) -> bool {
        let request = json!({"logGroupNamePrefix": name});
        let (_, answer) = self.json("logs", &format!("{LOGS}.DescribeLogGroups"), &request).await;
        answer["logGroups"].as_array().is_some_and(|groups| !groups.is_empty())
    }

    pub(super) async fn write_log(&self, group: &str, stream: &str, lines: &[String]) {
        let mut request = json!({"logGroupName": group, "logStreamName": stream});
        self.json("logs", &format!("{LOGS}.CreateLogStream"), &request).await;
        if lines.is_empty() {
            return;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = u64::try_from(now.as_millis()).unwrap();
        let event = |line: &String| json!({"timestamp": now, "message": line});
        request["logEvents"] = lines.iter().map(event).collect();
        self.json("logs", &format!("{LOGS}.PutLogEvents"), &request).await;
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn between(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0.to_owned())
}
