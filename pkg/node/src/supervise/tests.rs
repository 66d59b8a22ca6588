use super::*;
use crate::State;
use crate::component::Condition;
use crate::plan::tests::control_plane;
use crate::probe::Probe;
use ComponentName::{Containerd, Etcd, KubeApiserver, Kubelet};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use tokio::time::timeout;

/// Ready as soon as the script has made the socket's file and we listen on it.
fn component(name: ComponentName, script: &str, ready: Probe, start_after: Vec<Condition>) -> Component {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).into();
    let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    Component {
        name,
        argv,
        env,
        start_after,
        ready,
        live: None,
        stop: StopStage::AfterPods,
        grace: Duration::from_secs(5),
    }
}

/// One for all tests of this process: a second would take the first one's statuses.
pub(super) static REAPER: LazyLock<Reaper> = LazyLock::new(Reaper::start);

struct Node {
    directory: tempfile::TempDir,
    status: watch::Sender<NodeStatus>,
    running: Vec<Running>,
    _listener: tokio::net::UnixListener,
    ready: Probe,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&socket).expect("bound");
        let status = watch::Sender::new(NodeStatus::default());
        Self { ready: Probe::Unix(socket), directory, status, running: vec![], _listener: listener }
    }

    fn never(&self) -> Probe {
        Probe::Unix(self.directory.path().join("never"))
    }

    fn start(&mut self, components: &[Component]) {
        self.start_with(components, |_| ());
    }

    fn start_with(&mut self, components: &[Component], change: impl FnOnce(&mut Liveness)) {
        let list = components.iter().map(|c| ComponentStatus::new(c.name)).collect();
        self.status.send_modify(|s| s.components = list);
        let mut plan = control_plane();
        plan.software.logs = self.directory.path().join("log");
        let brief = Duration::from_millis(20);
        let mut liveness = Liveness { period: brief, timeout: 25 * brief, failures: 3, start: Duration::from_mins(1) };
        change(&mut liveness);
        self.running = start_all(components.to_vec(), &plan, liveness, &REAPER, &self.status);
    }

    async fn until(&self, what: &str, good: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let mut status = self.status.subscribe();
        match timeout(Duration::from_secs(20), status.wait_for(good)).await {
            Ok(status) => status.expect("a sender").clone(),
            Err(late) => panic!("{late}, not {what}: {:?}", self.status.borrow()),
        }
    }

    fn log(&self, name: ComponentName) -> Vec<String> {
        logs::read_tail(&self.directory.path().join("log"), name, 100).expect("a log")
    }
}

/// Stops components; there is no runtime, and there are no pods.
async fn stop_node(running: Vec<Running>) {
    let (_, limit) = watch::channel(Duration::ZERO);
    let (_, priorities) = watch::channel(PodPriorities::default());
    stop_all(running, Path::new("/nonexistent"), &PodStop { limit, priorities }).await;
}

fn state(status: &NodeStatus, name: ComponentName) -> State {
    status.component(name).expect("a component").state.clone()
}

fn exists(path: &Path) -> Condition {
    Condition::File(path.to_owned())
}

#[tokio::test]
async fn starts_in_order_logs_and_stops() {
    let mut node = Node::new();
    let key = node.directory.path().join("key");
    let ready = node.ready.clone();
    node.start(&[
        component(Etcd, "echo out; echo err >&2; exec sleep 100", ready.clone(), vec![exists(&key)]),
        component(KubeApiserver, "exec sleep 100", ready.clone(), vec![Condition::Ready(Etcd)]),
    ]);
    let waits = |s: &NodeStatus| s.components.iter().all(|c| c.waits_for.is_some());
    let status = node.until("waiting", waits).await;
    assert_eq!(status.component(KubeApiserver).expect("one").waits_for.as_deref(), Some("etcd ready"));
    assert_eq!(status.component(Etcd).expect("one").waits_for, Some(key.display().to_string()));
    std::fs::write(&key, "").expect("written");
    let status = node.until("ready", NodeStatus::is_ready).await;
    assert!(status.components.iter().all(|c| c.pid.is_some() && c.restarts == 0));
    let written = async {
        // Its socket is the test's: the process may be ready before its shell has run.
        while node.log(Etcd).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), written).await.expect("a log");
    assert_eq!(node.log(Etcd), ["out", "err"]);
    stop_node(std::mem::take(&mut node.running)).await;
    let status = node.status.borrow().clone();
    assert!(status.components.iter().all(|c| c.state == State::Stopped && c.pid.is_none()), "{status:?}");
}

#[tokio::test]
async fn comes_back_after_its_end() {
    let mut node = Node::new();
    let mark = node.directory.path().join("mark");
    let script = format!("test -e {0} && exec sleep 100; touch {0}; exit 3", mark.display());
    node.start(&[component(Etcd, &script, node.ready.clone(), vec![])]);
    let back = |s: &NodeStatus| s.components[0].restarts == 1 && s.components[0].state == State::Ready;
    let status = node.until("back", back).await;
    assert_eq!(status.components[0].last_exit.as_deref(), Some("exit code 3"));
    let pid = status.components[0].pid.expect("a pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
    let back = |s: &NodeStatus| s.components[0].restarts == 2 && s.components[0].state == State::Ready;
    let status = node.until("back", back).await;
    assert_eq!(status.components[0].last_exit.as_deref(), Some("signal SIGKILL"));
    stop_node(std::mem::take(&mut node.running)).await;
}

#[tokio::test]
async fn what_no_longer_answers_is_started_again() {
    let mut node = Node::new();
    let alive = component(Etcd, "exec sleep 100", node.ready.clone(), vec![]);
    let hung = component(KubeApiserver, "exec sleep 100", node.ready.clone(), vec![]);
    node.start(&[
        Component { live: Some(node.ready.clone()), ..alive },
        Component { live: Some(node.never()), ..hung },
    ]);
    let not_ready =
        |s: &NodeStatus| s.components[1].state == State::NotReady && s.components[1].probe_failure.is_some();
    node.until("not ready", not_ready).await;
    let status = node.until("started again", |s| s.components[1].restarts > 0).await;
    let exit = status.components[1].last_exit.as_deref().expect("a reason");
    assert!(exit.starts_with("liveness probe failed 3 times: "), "{exit}");
    assert_eq!(status.components[0].restarts, 0);
    stop_node(std::mem::take(&mut node.running)).await;
}

#[tokio::test]
async fn a_probe_that_cannot_be_made_counts_for_nothing() {
    let mut node = Node::new();
    let missing = node.directory.path().join("missing.crt");
    let trust = crate::probe::Trust::Ca { ca: missing.clone(), certificate: missing.clone(), key: missing };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let live = Probe::Https { address: listener.local_addr().expect("an address"), path: "/livez", trust };
    let one = component(Etcd, "exec sleep 100", node.ready.clone(), vec![]);
    node.start(&[Component { live: Some(live), ..one }]);
    node.until("ready", NodeStatus::is_ready).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((node.status.borrow().components[0].restarts, listener.accept().await.is_ok()), (0, true));
    stop_node(std::mem::take(&mut node.running)).await;
}

#[tokio::test]
async fn what_does_not_become_ready_is_started_again() {
    let mut node = Node::new();
    let hung = component(Etcd, "exec sleep 100", node.never(), vec![]);
    node.start_with(&[hung], |liveness| liveness.start = Duration::from_millis(50));
    let status = node.until("started again", |s| s.components[0].restarts > 0).await;
    assert_eq!(status.components[0].last_exit.as_deref(), Some("not ready within 50ms"));
    stop_node(std::mem::take(&mut node.running)).await;
}

#[tokio::test]
async fn says_why_it_cannot_start() {
    let mut node = Node::new();
    let mut missing = component(Kubelet, "", node.ready.clone(), vec![]);
    missing.argv = vec!["/nowhere/kubelet".into()];
    node.start(&[missing]);
    let status = node.until("failed", |s| s.components[0].restarts > 0).await;
    let exit = status.components[0].last_exit.as_deref().expect("a reason");
    assert!(exit.starts_with("cannot start: No such file"), "{exit}");
    stop_node(std::mem::take(&mut node.running)).await;
}

#[tokio::test]
async fn stops_what_waits_or_is_not_ready() {
    let mut node = Node::new();
    let never = node.never();
    node.start(&[
        component(Containerd, "exec sleep 100", never.clone(), vec![]),
        component(Kubelet, "exec sleep 100", never, vec![Condition::Ready(Containerd)]),
    ]);
    node.until("started", |s| state(s, Containerd) == State::Starting).await;
    timeout(Duration::from_secs(3), stop_node(std::mem::take(&mut node.running))).await.expect("at once");
    assert!(node.status.borrow().components.iter().all(|c| c.state == State::Stopped));
}

#[tokio::test]
async fn nothing_of_our_environment_is_inherited() {
    let mut node = Node::new();
    node.start(&[component(Etcd, "env; exec sleep 100", node.ready.clone(), vec![])]);
    node.until("ready", NodeStatus::is_ready).await;
    let mut env = node.log(Etcd);
    while env.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        env = node.log(Etcd);
    }
    // What the shell itself sets.
    env.retain(|line| !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| line.starts_with(own)));
    assert_eq!(env, ["PATH=/usr/bin:/bin"]);
    stop_node(std::mem::take(&mut node.running)).await;
}
