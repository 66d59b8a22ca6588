use super::*;

const MALLORY: &str = "198.51.100.66";
const ALICE: &str = "198.51.100.7";
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 11)), 80);
const BRIEF: Times = Times { first_byte: Duration::from_secs(1), idle: Duration::from_millis(200) };

/// Sixteen connections in all, twelve of a port, eight of a client.
fn small() -> Budget {
    Budget::with_limits(|others| Limits::from_descriptors(0, others), BRIEF, None)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn from(text: &str) -> SocketAddr {
    SocketAddr::new(address(text), 40_000)
}

fn admit_many(port: &PortBudget, client: &str, count: usize) -> Vec<Permit> {
    (0..count).map(|_| port.admit(from(client), SERVER).expect("admitted")).collect()
}

fn is_replaced(permit: &Permit) -> bool {
    futures::FutureExt::now_or_never(permit.wait_replaced()).is_some()
}

#[test]
fn limits_leave_descriptors_for_supervision() {
    let of = |descriptors, others| {
        let limits = Limits::from_descriptors(descriptors, others);
        let client = Scope::Client(1, Client::Address(address(ALICE)));
        [limits.of(Scope::All), limits.of(Scope::Port(1)), limits.of(client)]
    };
    assert_eq!(of(20_000, 0), [9872, 7404, 4936]);
    assert_eq!(of(20_000, 1000), [9372, 7029, 4686]);
    assert_eq!(of(1 << 20, 30), [20_000, 15_000, 10_000]);
    assert_eq!(of(100, 0), [16, 12, 8]);
}

#[tokio::test]
async fn silent_connections_are_replaced_the_oldest_first() {
    let budget = small();
    let port = budget.open_port();
    let flood = admit_many(&port, MALLORY, 8);
    assert!(flood.iter().all(|one| !one.replaces));
    let next = port.admit(from(MALLORY), SERVER).expect("admitted");
    assert!(next.replaces && is_replaced(&flood[0]) && !is_replaced(&flood[1]));
    // Another client has its own share, and another port.
    assert!(!port.admit(from(ALICE), SERVER).expect("admitted").replaces);
    assert!(!budget.open_port().admit(from(MALLORY), SERVER).expect("admitted").replaces);
}

#[tokio::test]
async fn used_connections_are_replaced_when_they_were_idle_long() {
    let budget = small();
    let port = budget.open_port();
    let mut used = admit_many(&port, MALLORY, 8);
    used.iter().for_each(Permit::note_activity);
    assert!(port.admit(from(MALLORY), SERVER).is_none());
    tokio::time::sleep(BRIEF.idle).await;
    used[0].note_activity();
    let next = port.admit(from(MALLORY), SERVER).expect("admitted");
    next.note_activity();
    assert!(is_replaced(&used[1]) && !is_replaced(&used[0]));
    // A connection that has ended makes place at once.
    drop(used.pop());
    assert!(!port.admit(from(MALLORY), SERVER).expect("admitted").replaces);
}

#[tokio::test]
async fn a_flood_of_many_clients_leaves_the_port_open() {
    let budget = small();
    let port = budget.open_port();
    let flood: Vec<_> = (0..12).map(|n| port.admit(from(&format!("192.0.2.{n}")), SERVER).expect("admitted")).collect();
    assert!(port.admit(from(ALICE), SERVER).expect("admitted").replaces);
    assert!(is_replaced(&flood[0]));
    // A second port fills up what is left of all; a third one has connections all the same.
    let second = budget.open_port();
    let _more = admit_many(&second, ALICE, 5);
    assert!(budget.open_port().admit(from(ALICE), SERVER).expect("admitted").replaces);
}

#[tokio::test]
async fn the_first_byte_has_a_limit() {
    let budget = small();
    let port = budget.open_port();
    let [silent, used] = [ALICE, ALICE].map(|client| port.admit(from(client), SERVER).expect("admitted"));
    used.note_activity();
    tokio::spawn(budget.clone().close_silent());
    silent.wait_replaced().await;
    assert!(!is_replaced(&used));
}

#[test]
fn sessions_and_ports_take_descriptors() {
    let budget = Budget::with_limits(|others| Limits::from_descriptors(256 + 2 * 20, others), BRIEF, None);
    let port = budget.open_port();
    let client = |n: u8| from(&format!("192.0.2.{n}"));
    let sessions: Vec<_> = (0..5).map(|_| port.admit_session().expect("admitted")).collect();
    let ports: Vec<_> = (0..5).map(|_| budget.open_port()).collect();
    let open: Vec<_> = (0..14).map(|n| ports[usize::from(n) % 5].admit(client(n), SERVER).expect("admitted")).collect();
    assert!(port.admit_session().is_some());
    drop((sessions, open));
    assert_eq!(budget.lock_table().other_descriptors, 6);
}

#[test]
fn loopback_is_one_client_and_so_is_an_ipv6_network() {
    assert_eq!(client_network(address("127.9.8.7")), client_network(address("127.0.0.1")));
    assert_eq!(client_network(address("::ffff:198.51.100.7")), address(ALICE));
    assert_eq!(client_network(address("2001:db8::1")), client_network(address("2001:db8::2:3")));
    assert_ne!(client_network(address("2001:db8::1")), client_network(address("2001:db8:0:1::1")));
}

#[test]
fn users_of_this_host_are_told_apart_beyond_a_few_connections() {
    let users = Users::new(open_users_socket().expect("a socket"));
    let budget = Budget::with_limits(|others| Limits::from_descriptors(20_000, others), BRIEF, Some(users));
    let port = budget.open_port();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("an address");
    let stream = std::net::TcpStream::connect(server).expect("connected");
    let client = stream.local_addr().expect("an address");
    let open: Vec<_> = (0..FEW + 5).map(|_| port.admit(client, server).expect("admitted")).collect();
    let count = |client| budget.lock_table().count(Scope::Client(port.number, client));
    assert_eq!(count(Client::Address(address("127.0.0.1"))), FEW);
    assert_eq!(count(Client::User(nix::unistd::getuid().as_raw())), 5);
    drop(open);
}
