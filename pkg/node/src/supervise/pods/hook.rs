//! `preStop` hooks, which the runtime knows nothing of. Mirrors `pkg/kubelet/lifecycle`.

use crate::runtime_api::{Container, RuntimeClient};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// Annotations that the kubelet puts on containers.
const HOOK: &str = "io.kubernetes.container.preStopHandler";
const PORTS: &str = "io.kubernetes.container.ports";

/// The hook of a container; one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    exec: Option<Exec>,
    http_get: Option<HttpGet>,
    sleep: Option<Sleep>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Exec {
    command: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpGet {
    host: String,
    path: String,
    /// A number, or the name of a port of the container.
    port: Value,
    scheme: String,
    http_headers: Vec<Header>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Sleep {
    seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerPort {
    #[serde(default)]
    name: String,
    container_port: u16,
}

impl Hook {
    /// The hook of a container, if it has one.
    pub(super) fn of(container: &Container) -> Option<Self> {
        serde_json::from_str(container.annotations.get(HOOK)?).ok()
    }
}

/// Runs a hook for at most `limit`. A container is stopped whatever becomes of its hook.
pub(super) async fn run(runtime: &RuntimeClient, container: &Container, hook: &Hook, limit: Duration) {
    let outcome = timeout(limit, run_to_end(runtime, container, hook, limit)).await;
    let failure = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(message)) => message,
        Err(_) => format!("not done within {limit:?}"),
    };
    tracing::warn!(container = container.id, error = failure, "preStop hook failed");
}

async fn run_to_end(
    runtime: &RuntimeClient,
    container: &Container,
    hook: &Hook,
    limit: Duration,
) -> Result<(), String> {
    if let Some(Exec { command }) = &hook.exec {
        return runtime.exec(&container.id, command.clone(), limit).await.map_err(|error| error.to_string());
    }
    if let Some(Sleep { seconds }) = hook.sleep {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    let Some(get) = &hook.http_get else { return Ok(()) };
    let address = match &*get.host {
        "" => runtime.pod_address(&container.pod_sandbox_id).await.map_err(|error| error.to_string())?,
        host => Some(host.to_owned()),
    };
    get.send(&address.unwrap_or_else(|| "127.0.0.1".to_owned()), container).await
}

impl HttpGet {
    async fn send(&self, host: &str, container: &Container) -> Result<(), String> {
        let url = self.url(host, container).ok_or_else(|| format!("no port {}", self.port))?;
        // The kubelet verifies no certificate of a hook either.
        let client = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build();
        let mut request = client.map_err(|error| error.to_string())?.get(url);
        for Header { name, value } in &self.http_headers {
            request = request.header(name, value);
        }
        request.send().await.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.to_string())
    }

    fn url(&self, host: &str, container: &Container) -> Option<String> {
        let port = match &self.port {
            Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
            Value::String(name) => name.parse().ok().or_else(|| port_of_name(container, name))?,
            _ => return None,
        };
        let scheme = if self.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
        Some(format!("{scheme}://{host}:{port}/{}", self.path.trim_start_matches('/')))
    }
}

fn port_of_name(container: &Container, name: &str) -> Option<u16> {
    let ports: Vec<ContainerPort> = serde_json::from_str(container.annotations.get(PORTS)?).ok()?;
    ports.into_iter().find(|port| port.name == name).map(|port| port.container_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(json: &str) -> (Hook, Container) {
        let annotations = [(HOOK, json), (PORTS, r#"[{"name":"web","containerPort":8080,"protocol":"TCP"}]"#)];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let container = Container { annotations, ..Container::default() };
        (Hook::of(&container).expect("a hook"), container)
    }

    #[test]
    fn commands_and_pauses() {
        let (hook, _) = hook(r#"{"exec":{"command":["sh","-c","sync"]}}"#);
        assert_eq!(hook.exec.expect("a command").command, ["sh", "-c", "sync"]);
        let (hook, _) = self::hook(r#"{"sleep":{"seconds":3}}"#);
        assert_eq!(hook.sleep.expect("a pause").seconds, 3);
        assert_eq!(Hook::of(&Container::default()), None);
    }

    #[test]
    fn ports_by_number_and_name() {
        let url = |json: &str| {
            let (hook, container) = hook(json);
            hook.http_get.expect("a request").url("10.244.0.9", &container)
        };
        let by_number = r#"{"httpGet":{"path":"/stop","port":81,"scheme":"HTTPS"}}"#;
        assert_eq!(url(by_number).as_deref(), Some("https://10.244.0.9:81/stop"));
        let by_name = r#"{"httpGet":{"port":"web"}}"#;
        assert_eq!(url(by_name).as_deref(), Some("http://10.244.0.9:8080/"));
        assert_eq!(url(r#"{"httpGet":{"port":"other"}}"#), None);
    }
}
