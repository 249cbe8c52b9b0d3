//! What an operator puts between clients and tools: a look at each call and its result, and interceptors that may answer instead
//! (`docker-mcp-gateway.md` 20). Who looks, and how, is decided outside; here is only the order.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Looks at tool calls and what comes back, at once and without waiting for anything.
pub trait Inspector: Send + Sync {
    /// A call on its way to a server. `tool` is the name that the client used, `arguments` the raw JSON of what it passes, and `further` that of
    /// what it answers to a question of the tool's (`inputResponses` of 2026-07-28).
    ///
    /// # Errors
    /// It must not reach the tool; the text is for the client and holds nothing of the arguments.
    fn call(&self, tool: &str, arguments: Option<&[u8]>, further: Option<&[u8]>) -> Result<(), String>;

    /// What a server answered, `took` after the call: the raw result, or where `failed` the raw error.
    ///
    /// # Errors
    /// It must not reach the client; the text is for the client and holds nothing of the result.
    fn answer(&self, tool: &str, raw: &[u8], failed: bool, took: Duration) -> Result<(), String>;

    /// The front ends: what was gathered is written now.
    fn flush(&self) {}
}

/// When an interceptor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the tool; what it prints is the result, and the tool is not called.
    Before,
    /// After the tool; what it prints replaces the result.
    After,
}

/// A program of the operator's that sees tool calls.
#[async_trait]
pub trait Interceptor: Send + Sync {
    /// When it runs.
    fn when(&self) -> When;

    /// Runs it. `None` if it printed nothing at all. Dropping the future ends it.
    ///
    /// # Errors
    /// It did not run to a good end; the text is for the client.
    async fn run(&self, input: Bytes) -> Result<Option<Bytes>, String>;
}

/// What stands between clients and tools. The default is nothing.
#[derive(Clone, Default)]
pub struct Checks {
    /// Looks at each call, inside of the interceptors.
    pub inspector: Option<Arc<dyn Inspector>>,
    /// The first is the outermost: it sees a call first and its result last.
    pub interceptors: Arc<[Arc<dyn Interceptor>]>,
}
