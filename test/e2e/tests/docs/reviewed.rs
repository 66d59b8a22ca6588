//! Commands of README and guides that do not run as they stand on the control-plane host, each reviewed.

/// How a command of a page runs.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// On the control-plane host, as this script. `{}` is the command.
    Script(&'static str),
    /// On the worker, as this script. `{}` is the command.
    Worker(&'static str),
    /// Not here, for this reason.
    Not(&'static str),
}

/// A page, a section of it, a command, and how it runs.
pub(crate) type Reviewed = (&'static str, &'static str, &'static str, How);

const HOMELAB: How = How::Not("needs ssh servers: the suite homelab runs it");
const REJOIN: &str = "usernetes-rs reset --force; {}";

pub(crate) const REVIEWED: [Reviewed; 27] = [
    (
        "README",
        "Install",
        "hack/quickstart",
        How::Not("builds the program and the bundle, which the tests have by then"),
    ),
    // `timeout` ends it as a user's Ctrl-C does.
    ("README", "Five minutes", "usernetes-rs logs kubelet -f", How::Script("timeout -s INT 3 {} || [ $? = 124 ]")),
    (
        "README",
        "Five minutes",
        "curl http://127.0.0.1:$port/hostname",
        How::Script("{} --retry 20 --retry-all-errors --fail"),
    ),
    ("README", "Five minutes", "usernetes-rs reset", How::Script("echo y | {}")),
    (
        "several-machines",
        "Join a host",
        "echo u7s1.AG8BUVOE… | usernetes-rs join - --bundle-from-peer",
        How::Worker("{}"),
    ),
    (
        "several-machines",
        "Join a host",
        "usernetes-rs token create | ssh HOST .local/bin/usernetes-rs join - --bundle-from-peer",
        HOMELAB,
    ),
    (
        "several-machines",
        "What the join token carries",
        "USERNETES_TOKEN=abcdef.0123456789abcdef usernetes-rs join HOST:6443 --discovery-token-ca-cert-hash sha256:… --bundle-from-peer",
        How::Worker(REJOIN),
    ),
    (
        "several-machines",
        "What the join token carries",
        "usernetes-rs join --discovery-file FILE --tls-bootstrap-token abcdef.0123456789abcdef --bundle-from-peer",
        How::Worker(REJOIN),
    ),
    (
        "several-machines",
        "Certificates of kubelets",
        "usernetes-rs kubectl describe node NAME",
        How::Not("the suite hostile looks for these Events"),
    ),
    (
        "several-machines",
        "Certificates of kubelets",
        "usernetes-rs kubectl certificate approve csr-NAME",
        How::Not("the suite hostile approves such a request"),
    ),
    ("several-machines", "A homelab over ssh", "cp hack/homelab/example.hosts hack/homelab/hosts", HOMELAB),
    ("several-machines", "A homelab over ssh", "hack/homelab/homelab up --dry-run", HOMELAB),
    ("several-machines", "A homelab over ssh", "hack/homelab/homelab up", HOMELAB),
    ("several-machines", "A homelab over ssh", "hack/homelab/homelab status", HOMELAB),
    ("several-machines", "A homelab over ssh", "hack/homelab/homelab upgrade", HOMELAB),
    ("several-machines", "A homelab over ssh", "hack/homelab/homelab down", HOMELAB),
    // The worker comes back for the commands below.
    (
        "day-two",
        "Remove a node",
        "usernetes-rs reset --drain",
        How::Worker("echo y | {}; echo u7s1.AG8BUVOE… | usernetes-rs join - --bundle-from-peer"),
    ),
    ("day-two", "A host gets another address", "usernetes-rs stop", How::Worker("{}")),
    (
        "day-two",
        "Images without a registry",
        "usernetes-rs images remove IMAGE",
        How::Not("all images here are the bundle's: field/images_come_and_go removes another"),
    ),
    (
        "day-two",
        "A host gets another address",
        "usernetes-rs start --host-ip 198.51.100.31",
        How::Worker("{}; usernetes-rs status | grep -F 198.51.100.31"),
    ),
    ("day-two", "What reset leaves", "rm -r ~/.cache/usernetes/bundles", How::Worker("usernetes-rs reset --force; {}")),
    ("cri-o", "CRI-O", "usernetes-rs init --cri-socket unix:///run/crio/crio.sock", How::Not("the suite crio runs it")),
    ("cri-o", "What the host needs", "usernetes-rs logs crio", How::Not("the suite crio runs it")),
    (
        "nested",
        "Inside a container",
        "podman run --privileged --pids-limit -1 --device /dev/net/tun …",
        How::Not("the scenario in_podman of realhost runs it"),
    ),
    (
        "nested",
        "Inside a container",
        "docker run --privileged --device /dev/net/tun …",
        How::Not("Docker is not available on a test host"),
    ),
    (
        "nested",
        "Inside a container",
        "usernetes-rs init --nested",
        How::Not("the scenarios nested_* of lifecycle run it"),
    ),
    (
        "networking",
        "Published ports",
        "usernetes-rs ports remove 8081",
        How::Script("{}; ! usernetes-rs ports list | grep -w 8081"),
    ),
];

/// How a command of a page runs.
pub(crate) fn how(page: &str, section: &str, command: &str) -> How {
    let found = REVIEWED.iter().find(|row| (row.0, row.1, row.2) == (page, section, command));
    found.map_or(How::Script("{}"), |row| row.3)
}
