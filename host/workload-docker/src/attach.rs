//! The standard streams of a container. This is the relay path of servers in containers: the engine's connection is read and written
//! directly, without a task, a channel or a copy in between.

mod demux;
mod stderr;

pub(crate) use demux::{Channel, Demux};
pub use stderr::Stderr;

use crate::dial::{ReadHalf, WriteHalf};
use crate::engine::DockerEngine;
use crate::error::Error;
use crate::name::checked;
use crate::spec::ContainerSpec;
use crate::watch::Watched;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A container's standard streams. Dropping them detaches; a container that reads its standard input then sees its end.
pub struct Attached {
    /// Id of the container.
    pub container: String,
    /// What it reads. Closing it (`shutdown`, or dropping it and `stdout`) is the end of its input.
    pub stdin: Stdin,
    /// What it writes. Its end means that the container has ended, or that the connection to the engine broke.
    pub stdout: Stdout,
    /// What it complains about. It goes on as long as `stdout` is read: both come over one connection.
    pub stderr: Stderr,
    /// How it fares, also after the engine has removed it.
    pub watched: Watched,
}

/// Standard input of a container.
pub struct Stdin(WriteHalf);

/// Standard output of a container. What arrives for standard error on the way is put aside for [`Stderr`].
pub struct Stdout {
    demux: Demux<ReadHalf>,
    stderr: Arc<stderr::Aside>,
}

impl DockerEngine {
    /// Makes a container, attaches its standard streams, and starts it, in that order, so that nothing it writes is lost. When the future
    /// is dropped or fails half-way, the container is removed by a task.
    ///
    /// # Errors
    /// As [`DockerEngine::create`] and [`DockerEngine::start`].
    pub async fn start_attached(self: &Arc<Self>, spec: &ContainerSpec) -> Result<Attached, Error> {
        let container = self.create(spec).await?;
        let unfinished = crate::run::Unfinished::new(self, &container);
        let attached = self.attach(&container).await?;
        self.start(&container).await.map_err(|error| spec.hide(error))?;
        unfinished.finished();
        Ok(attached)
    }

    /// The streams of a container that was made or runs. What it wrote before is not repeated. Several may be attached; each gets
    /// everything that is written.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::Conflict`] when it has ended.
    pub async fn attach(&self, container: &str) -> Result<Attached, Error> {
        let watched = self.watch(container).await?;
        let (read, write) = self.streams(container, true).await?;
        let aside = Arc::new(stderr::Aside::default());
        Ok(Attached {
            container: container.to_owned(),
            stdin: Stdin(write),
            stdout: Stdout { demux: read, stderr: Arc::clone(&aside) },
            stderr: Stderr::new(aside),
            watched,
        })
    }

    pub(crate) async fn streams(
        &self,
        container: &str,
        stdin: bool,
    ) -> Result<(Demux<ReadHalf>, WriteHalf), Error> {
        let what = format!("attach to container `{}`", checked("container", container)?);
        // The version of the API must be known first.
        self.docker().await?;
        let path =
            format!("/containers/{container}/attach?stream=1&stdin={}&stdout=1&stderr=1", u8::from(stdin));
        let (stream, early) = self.wire.upgrade(&what, &path).await?;
        let (read, write) = stream.into_split();
        Ok((Demux::new(read, &early), write))
    }
}

impl AsyncRead for Stdout {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match ready!(this.demux.poll_data(cx))? {
                None => {
                    this.stderr.close();
                    return Poll::Ready(Ok(()));
                }
                Some(Channel::Stderr) => {
                    let data = this.demux.data();
                    this.stderr.push(data);
                    let length = data.len();
                    this.demux.consume(length);
                }
                Some(Channel::Stdout) => {
                    let data = this.demux.data();
                    let length = data.len().min(buf.remaining());
                    buf.put_slice(data.get(..length).unwrap_or_default());
                    this.demux.consume(length);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        // Nobody moves the connection on any more, so nothing will follow.
        self.stderr.close();
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
