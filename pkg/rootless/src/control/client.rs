//! The client of the control socket, blocking.

use super::{Info, Request, Response, short_socket_path, socket_path};
use crate::forward::Forward;
use crate::ports::Published;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, pidfd_open};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use usernetes_api::PortSpec;

/// Time limit for answers that the child gives without the payload.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No child runs in the runtime directory.
    #[error("nothing is running in {}", path.display())]
    NotRunning {
        /// Runtime directory.
        path: PathBuf,
    },
    /// The socket failed.
    #[error("cannot communicate by {}", path.display())]
    Io {
        /// Path of the socket.
        path: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
    /// The child ended before it answered.
    #[error("the child ended before it answered")]
    Ended,
    /// The child refused the request.
    #[error("{message}")]
    Refused {
        /// Reason in words.
        message: String,
        /// How to resolve the error, if there is a known way.
        hint: Option<String>,
    },
    /// The answer could not be decoded, as when another version runs.
    #[error("cannot decode the answer of the running child")]
    Malformed(#[source] serde_json::Error),
}

impl ControlError {
    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}

/// A connection to a running child.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the child whose [`Spec::runtime_dir`](crate::Spec::runtime_dir) this is.
    pub fn connect(runtime_dir: &Path) -> Result<Self, ControlError> {
        let path = socket_path(runtime_dir);
        match File::open(runtime_dir).and_then(|directory| UnixStream::connect(short_socket_path(&directory))) {
            Ok(stream) => Ok(Self { path, stream: BufReader::new(stream) }),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Err(ControlError::NotRunning { path: runtime_dir.to_owned() })
            }
            Err(source) => Err(ControlError::Io { path, source }),
        }
    }

    /// Facts about the running child.
    pub fn info(&mut self) -> Result<Info, ControlError> {
        self.ask_with_timeout(&Request::Info)
    }

    /// Published ports.
    pub fn ports(&mut self) -> Result<Vec<Published>, ControlError> {
        self.ask_with_timeout(&Request::Ports)
    }

    /// Publishes a port.
    pub fn add_port(&mut self, spec: PortSpec) -> Result<(), ControlError> {
        self.ask_with_timeout(&Request::AddPort(Forward::session(spec)))
    }

    /// Closes a port that was published by [`Client::add_port`].
    pub fn remove_port(&mut self, spec: PortSpec) -> Result<(), ControlError> {
        self.ask_with_timeout(&Request::RemovePort(spec))
    }

    /// Sends a request to the payload and waits for the answer without a limit.
    pub fn request(&mut self, value: Value) -> Result<Value, ControlError> {
        self.send_and_receive(&Request::Payload(value), None)
    }

    /// Ends the payload and returns after the parent has ended.
    pub fn shutdown(mut self) -> Result<(), ControlError> {
        // Opened first: the answer proves that the parent lived when it was opened.
        let parent = self.open_parent()?;
        self.ask_with_timeout::<()>(&Request::Shutdown)?;
        let Some(parent) = parent else { return Ok(()) };
        let ended = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&parent, PollFlags::IN)], None));
        ended.map(drop).map_err(|e| self.io_error(e.into()))
    }

    /// Streams the payload's status, now and at every change.
    pub fn watch(mut self) -> Result<Watch, ControlError> {
        self.send_request(&Request::Watch, None)?;
        Ok(Watch(self))
    }

    /// The process that made the socket; `None` when it has just ended.
    fn open_parent(&self) -> Result<Option<OwnedFd>, ControlError> {
        let peer = socket_peercred(self.stream.get_ref()).map_err(|e| self.io_error(e.into()))?;
        match pidfd_open(peer.pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::SRCH) => Ok(None),
            Err(e) => Err(self.io_error(e.into())),
        }
    }

    fn ask_with_timeout<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, ControlError> {
        self.send_and_receive(request, Some(ANSWER_LIMIT))
    }

    fn send_and_receive<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        limit: Option<Duration>,
    ) -> Result<T, ControlError> {
        self.send_request(request, limit)?;
        self.receive_response()
    }

    fn send_request(&mut self, request: &Request, limit: Option<Duration>) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(request).map_err(ControlError::Malformed)?;
        line.push(b'\n');
        let stream = self.stream.get_mut();
        let sent = stream.set_read_timeout(limit).and_then(|()| stream.write_all(&line));
        sent.map_err(|source| self.io_error(source))
    }

    fn receive_response<T: DeserializeOwned>(&mut self) -> Result<T, ControlError> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).map_err(|source| self.io_error(source))?;
        if length == 0 {
            return Err(ControlError::Ended);
        }
        match serde_json::from_str(&line).map_err(ControlError::Malformed)? {
            Response::Ok(value) => serde_json::from_value(value).map_err(ControlError::Malformed),
            Response::Error { message, hint } => Err(ControlError::Refused { message, hint }),
        }
    }

    fn io_error(&self, source: io::Error) -> ControlError {
        match source.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ControlError::Ended,
            _ => ControlError::Io { path: self.path.clone(), source },
        }
    }
}

/// The payload's statuses; ends when the child does.
#[derive(Debug)]
pub struct Watch(Client);

impl Iterator for Watch {
    type Item = Result<Value, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.receive_response() {
            Err(ControlError::Ended) => None,
            item => Some(item),
        }
    }
}
