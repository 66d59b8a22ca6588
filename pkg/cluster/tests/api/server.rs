//! A control plane without a node.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use usernetes_api::{Config, HostFacts};
use usernetes_cluster::{Cluster, ensure_cluster_admins};
use usernetes_pki::{CertParams, Endpoint, kubeconfig, store};

/// Name of the node that `kubelet.conf` is for.
pub(crate) const NODE: &str = "one";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Generous: the machine may be loaded.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) struct Server {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) endpoint: Endpoint,
    pub(crate) config: Config,
    bundle: PathBuf,
    dir: TempDir,
    children: Mutex<Vec<Child>>,
}

pub(crate) fn bundle() -> Option<PathBuf> {
    let cache = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/usernetes-dev/bundle/current"));
    let path = std::env::var_os("U7S_BUNDLE").map(PathBuf::from).or_else(cache)?;
    path.join("bin/kube-apiserver").exists().then_some(path)
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Server {
    pub(crate) fn start(bundle: PathBuf) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let mut config = Config::default();
        config.init.local_api_endpoint.bind_port = Some(port);
        config.set_defaults(&HostFacts { hostname: NODE.to_owned(), host_ip: Some(LOCALHOST), ..HostFacts::default() });
        let params = CertParams::from_config(&config).expect("a good configuration");
        let pki = dir.path().join("pki");
        store::ensure_all(&pki, &params).expect("certificates");
        kubeconfig::ensure_all(dir.path(), &pki, &params).expect("kubeconfigs");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = Endpoint::new(LOCALHOST, port);
        let server = Self { runtime, endpoint, config, bundle, dir, children: Mutex::default() };
        let etcd = server.etcd();
        server.kube_apiserver(&etcd);
        server.runtime.block_on(async {
            let admin = Cluster::connect(&server.path("super-admin.conf")).await.expect("a kubeconfig");
            admin.wait_api(LIMIT).await.expect("a server that gets ready");
        });
        server
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.path("pki/ca.crt")).expect("a CA")
    }

    /// With all rights, whichever test is run alone.
    pub(crate) async fn admin(&self) -> Cluster {
        ensure_cluster_admins(&self.path("admin.conf"), &self.path("super-admin.conf")).await.expect("administrator")
    }

    /// Output of a program of the bundle.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(self.bundle.join("bin").join(program)).args(arguments).output().expect("the program");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}: {out}{err}");
        out.into_owned()
    }

    fn spawn(&self, program: &str, arguments: &[String]) {
        let log = std::fs::File::create(self.path(program).with_extension("log")).expect("a log");
        let child = Command::new(self.bundle.join("bin").join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the program");
        self.children.lock().expect("not poisoned").push(child);
    }

    fn etcd(&self) -> String {
        let [client, peer] = [free_port(), free_port()].map(|port| format!("http://127.0.0.1:{port}"));
        let data = self.path("etcd");
        self.spawn(
            "etcd",
            &flags(&[
                ("name", "a"),
                ("data-dir", text(&data)),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &format!("a={peer}")),
                ("unsafe-no-fsync", "true"),
            ]),
        );
        client
    }

    fn kube_apiserver(&self, etcd: &str) {
        let pki = |name: &str| self.path("pki").join(name).display().to_string();
        self.spawn(
            "kube-apiserver",
            &flags(&[
                ("etcd-servers", etcd),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &self.endpoint.port.to_string()),
                ("endpoint-reconciler-type", "none"),
                ("allow-privileged", "true"),
                ("authorization-mode", "Node,RBAC"),
                ("enable-admission-plugins", "NodeRestriction"),
                ("enable-bootstrap-token-auth", "true"),
                ("client-ca-file", &pki("ca.crt")),
                ("tls-cert-file", &pki("apiserver.crt")),
                ("tls-private-key-file", &pki("apiserver.key")),
                ("service-account-key-file", &pki("sa.pub")),
                ("service-account-signing-key-file", &pki("sa.key")),
                ("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
                ("service-cluster-ip-range", &self.config.cluster.networking.service_subnet),
            ]),
        );
    }

    /// Started once, by the first test that calls it.
    pub(crate) fn controller_manager(&self) {
        static STARTED: std::sync::Once = std::sync::Once::new();
        STARTED.call_once(|| {
            let pki = |name: &str| self.path("pki").join(name).display().to_string();
            let kubeconfig = self.path("controller-manager.conf").display().to_string();
            self.spawn(
                "kube-controller-manager",
                &flags(&[
                    ("kubeconfig", &kubeconfig),
                    ("bind-address", "127.0.0.1"),
                    ("secure-port", &free_port().to_string()),
                    ("leader-elect", "false"),
                    ("controllers", "*,bootstrapsigner,tokencleaner,-node-lifecycle-controller"),
                    ("use-service-account-credentials", "true"),
                    ("service-account-private-key-file", &pki("sa.key")),
                    ("root-ca-file", &pki("ca.crt")),
                    ("cluster-signing-cert-file", &pki("ca.crt")),
                    ("cluster-signing-key-file", &pki("ca.key")),
                    ("kube-api-qps", "300"),
                    ("kube-api-burst", "600"),
                ]),
            );
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for mut child in self.children.get_mut().expect("not poisoned").drain(..).rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::env::var_os("U7S_KEEP_LOGS").is_some() {
            self.dir.disable_cleanup(true);
        }
    }
}

fn flags(all: &[(&str, &str)]) -> Vec<String> {
    all.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}
