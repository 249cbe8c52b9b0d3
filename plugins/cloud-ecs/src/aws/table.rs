//! Every operation that this plugin calls. The grant it comes with and the policy on its page are compared with this table.

use gateway_plugin::{Error, Result};

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Elastic Container Service.
    Ecs,
    /// Secrets Manager.
    SecretsManager,
    /// CloudWatch Logs.
    Logs,
    /// Elastic Container Registry.
    Ecr,
    /// Service Quotas.
    Quotas,
    /// Elastic Compute Cloud, for its networks.
    Ec2,
    /// Security Token Service.
    Sts,
    /// Identity and Access Management.
    Iam,
}

impl Service {
    /// Its name in signatures and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::SecretsManager => "secretsmanager",
            Self::Logs => "logs",
            Self::Ecr => "ecr",
            Self::Quotas => "servicequotas",
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Iam => "iam",
        }
    }

    /// The beginning of its host's name.
    #[must_use]
    pub const fn host(self) -> &'static str {
        match self {
            Self::Ecr => "api.ecr",
            other => other.name(),
        }
    }

    /// What stands before the operation in `X-Amz-Target`; empty for services that take forms.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Ecs => "AmazonEC2ContainerServiceV20141113",
            Self::SecretsManager => "secretsmanager",
            Self::Logs => "Logs_20140328",
            Self::Ecr => "AmazonEC2ContainerRegistry_V20150921",
            Self::Quotas => "ServiceQuotasV20190624",
            Self::Ec2 | Self::Sts | Self::Iam => "",
        }
    }

    /// Version of the services that take forms.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Ec2 => "2016-11-15",
            Self::Sts => "2011-06-15",
            Self::Iam => "2010-05-08",
            _ => "",
        }
    }
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Of this service.
    pub service: Service,
    /// Its name.
    pub name: &'static str,
    /// Whether it only reads.
    pub reads: bool,
}

impl Operation {
    /// Its name in policies: `ecs:RunTask`.
    #[must_use]
    pub fn action(&self) -> String {
        format!("{}:{}", self.service.name(), self.name)
    }
}

const fn reads(service: Service, name: &'static str) -> Operation {
    Operation { service, name, reads: true }
}

const fn changes(service: Service, name: &'static str) -> Operation {
    Operation { service, name, reads: false }
}

/// All of them, by service. No two have one name.
pub const OPERATIONS: [Operation; 26] = [
    reads(Service::Ecs, "DescribeClusters"),
    reads(Service::Ecs, "DescribeTaskDefinition"),
    reads(Service::Ecs, "DescribeTasks"),
    reads(Service::Ecs, "ListTaskDefinitionFamilies"),
    reads(Service::Ecs, "ListTaskDefinitions"),
    reads(Service::Ecs, "ListTasks"),
    changes(Service::Ecs, "DeleteTaskDefinitions"),
    changes(Service::Ecs, "DeregisterTaskDefinition"),
    changes(Service::Ecs, "RegisterTaskDefinition"),
    changes(Service::Ecs, "RunTask"),
    changes(Service::Ecs, "StopTask"),
    reads(Service::SecretsManager, "DescribeSecret"),
    reads(Service::SecretsManager, "ListSecrets"),
    changes(Service::SecretsManager, "CreateSecret"),
    changes(Service::SecretsManager, "DeleteSecret"),
    reads(Service::Logs, "DescribeLogGroups"),
    reads(Service::Logs, "GetLogEvents"),
    changes(Service::Logs, "CreateLogGroup"),
    changes(Service::Logs, "DeleteLogGroup"),
    reads(Service::Ecr, "DescribeImages"),
    reads(Service::Quotas, "GetServiceQuota"),
    reads(Service::Ec2, "DescribeNetworkInterfaces"),
    reads(Service::Ec2, "DescribeSecurityGroups"),
    reads(Service::Ec2, "DescribeSubnets"),
    reads(Service::Sts, "GetCallerIdentity"),
    reads(Service::Iam, "GetRole"),
];

/// An operation by its name.
///
/// # Errors
/// `permanent` for one that is not in the table: nobody would have granted it.
pub fn operation(name: &str) -> Result<&'static Operation> {
    OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .ok_or_else(|| Error::permanent(format!("call `{name}`: this plugin does not know it")))
}
