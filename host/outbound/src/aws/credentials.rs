//! The gateway's own AWS credentials, from where AWS programs find theirs: variables, profiles (also single sign-on and `credential_process`), web
//! identity, the container's and the instance's metadata.

use crate::error::{Error, ErrorKind};
use crate::surroundings::Surroundings;
use bytes::Bytes;
use host_web::{Access, Endpoint, EndpointConfig, Target};
use http::{Request, Response};
use reqsign_aws_core::{Credential, DefaultCredentialProvider};
use reqsign_core::{
    CommandExecute, CommandOutput, Context, Env, FileRead, HttpSend, ProvideCredential as _,
    SigningCredential as _,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a service of credentials may take. One that is not there does not answer at all.
const WITHIN: Duration = Duration::from_secs(10);
/// How long one may take to be reached. Metadata services are next door.
const CONNECT: Duration = Duration::from_secs(2);
/// Bytes of an answer with credentials.
const ANSWER: usize = 1 << 20;

/// What the operator can do.
const HINT: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or run the gateway where it has a role";

/// See the module. Asked for when they are first needed, and again before they expire.
#[derive(Debug)]
pub(crate) struct AwsCredentials {
    context: Context,
    chain: DefaultCredentialProvider,
    known: Mutex<Option<Arc<Credential>>>,
}

impl AwsCredentials {
    pub(crate) fn new(around: &Arc<Surroundings>) -> Self {
        let context = Context::new()
            .with_env(Around(Arc::clone(around)))
            .with_file_read(Files)
            .with_http_send(Web)
            .with_command_execute(Commands(Arc::clone(around)));
        Self { context, chain: DefaultCredentialProvider::new(), known: Mutex::default() }
    }

    /// Credentials that are good for the next minutes.
    ///
    /// # Errors
    /// There are none.
    pub(crate) async fn get(&self) -> Result<Arc<Credential>, Error> {
        let mut known = self.known.lock().await;
        if let Some(credential) = known.as_ref().filter(|credential| credential.is_valid()) {
            return Ok(Arc::clone(credential));
        }
        match self.chain.provide_credential(&self.context).await {
            Ok(Some(found)) => Ok(Arc::clone(known.insert(Arc::new(found)))),
            Ok(None) => Err(Error::credentials("the gateway has no AWS credentials", HINT)),
            Err(error) => {
                // What a service answered may hold anything; only the outermost sentence is of the library itself.
                tracing::debug!(kind = ?error.kind(), "AWS credentials");
                let what = error.to_string();
                let what =
                    what.lines().next().unwrap_or_default().split(", context").next().unwrap_or_default();
                Err(Error::credentials(format!("the gateway has no AWS credentials: {what}"), HINT))
            }
        }
    }

    /// Forgets what was not accepted.
    pub(crate) async fn forget(&self) {
        *self.known.lock().await = None;
    }
}

/// The environment as it was told.
#[derive(Debug)]
struct Around(Arc<Surroundings>);

impl Env for Around {
    fn var(&self, key: &str) -> Option<String> {
        self.0.variable(key).map(str::to_owned)
    }

    fn vars(&self) -> HashMap<String, String> {
        self.0.variables.clone().into_iter().collect()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        self.0.home.clone()
    }
}

/// Files of this machine: profiles and tokens.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        tokio::fs::read(path)
            .await
            .map_err(|error| reqsign_core::Error::config_invalid(format!("{path}: {error}")))
    }
}

/// Services that hand out credentials: those that the surroundings name, at the very address that they name.
#[derive(Debug)]
struct Web;

impl HttpSend for Web {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<Response<Bytes>> {
        let answer = tokio::time::timeout(WITHIN, fetch(request)).await;
        let late = || Error::new(ErrorKind::Timeout, format!("no answer within {} s", WITHIN.as_secs()));
        answer
            .unwrap_or_else(|_| Err(late()))
            .map_err(|error| reqsign_core::Error::unexpected(error.text).set_retryable(true))
    }
}

/// One request to a service of credentials. Where it is was not a plugin's to say, so any address is reached, and no redirect is followed.
pub(crate) async fn fetch(mut request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
    let url = request.uri().to_string();
    let target = Target::parse(&url)?;
    let access = Access::new(|_, _| true, "");
    let config = EndpointConfig {
        reserved: &[],
        connect_within: CONNECT,
        ..EndpointConfig::new(url, Vec::new(), access)
    };
    request.headers_mut().remove(http::header::HOST);
    request.headers_mut().remove(http::header::CONTENT_LENGTH);
    let response = Endpoint::new(config)?.send_once(&target, &request).await?;
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.all(ANSWER).await?))
}

/// `credential_process` of a profile: a program that the operator's own file names.
#[derive(Debug)]
struct Commands(Arc<Surroundings>);

impl CommandExecute for Commands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> reqsign_core::Result<CommandOutput> {
        let failed = |error: &dyn std::fmt::Display| {
            reqsign_core::Error::config_invalid(format!("`{program}`: {error}"))
        };
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(&self.0.variables).kill_on_drop(true);
        command.stdin(std::process::Stdio::null());
        let ran = tokio::time::timeout(WITHIN, command.output()).await;
        let ran = ran.map_err(|_| failed(&"it did not end in time"))?.map_err(|error| failed(&error))?;
        Ok(CommandOutput { status: ran.status.code().unwrap_or(-1), stdout: ran.stdout, stderr: ran.stderr })
    }
}
