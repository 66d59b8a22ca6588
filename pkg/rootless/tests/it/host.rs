//! The machine: an ordinary user, and a second host on a wire, made when the tests run as root.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use usernetes_api::NetworkDriver;
use usernetes_host::{CommandExt as _, Level};

/// First argument of a process that answers on the second host.
pub(crate) const SERVER: &str = "it-server";
/// Variable that names the second host's address.
pub(crate) const PEER: &str = "U7S_IT_PEER";
/// Address of the second host, which serves; and of the one that the tests run on.
const PEER_ADDRESS: &str = "198.51.100.1";
pub(crate) const OWN_ADDRESS: &str = "198.51.100.11";
/// Further addresses of the host, unknown inside.
pub(crate) const CLIENTS: [&str; 2] = ["203.0.113.5", "203.0.113.6"];
/// A name that the second host resolves to its own address.
pub(crate) const NAME: &str = "peer.u7s.test";
/// Port of the echo services of the second host.
pub(crate) const PEER_PORT: u16 = 7007;
const USER: &str = "u7s-rootless-it";

/// Why the tests cannot run here, if they cannot.
pub(crate) fn missing() -> Option<String> {
    let findings = usernetes_rootless::checks::checks(&std::env::temp_dir(), NetworkDriver::default());
    let error = findings.into_iter().find(|finding| finding.level == Level::Error)?;
    Some(format!("{}: {}", error.check, error.message))
}

pub(crate) fn refuse(missing: &str) -> ExitCode {
    eprintln!("U7S_E2E_REQUIRE=1, but {missing}");
    ExitCode::FAILURE
}

/// Runs this program again as an ordinary user on a host of its own.
pub(crate) fn as_ordinary_user(words: &[String]) -> ExitCode {
    match Wire::make().and_then(|wire| wire.run_tests(words)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot prepare the tests: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn run(line: &str) -> Outcome<()> {
    let mut words = line.split(' ');
    Command::new(words.next().unwrap_or_default()).args(words).run()?;
    Ok(())
}

/// Two network namespaces with a wire between them.
struct Wire {
    own: String,
    peer: String,
}

impl Wire {
    fn make() -> Outcome<Self> {
        let id = std::process::id();
        let wire = Self { own: format!("u7s-it-own-{id}"), peer: format!("u7s-it-peer-{id}") };
        let (own, peer) = (&wire.own, &wire.peer);
        for line in [
            format!("ip netns add {own}"),
            format!("ip netns add {peer}"),
            format!("ip -n {own} link set lo up"),
            format!("ip -n {peer} link set lo up"),
            format!("ip -n {own} link add eth0 type veth peer name eth0 netns {peer}"),
            format!("ip -n {own} address add {OWN_ADDRESS}/24 dev eth0"),
            format!("ip -n {peer} address add {PEER_ADDRESS}/24 dev eth0"),
            format!("ip -n {own} link set eth0 up"),
            format!("ip -n {peer} link set eth0 up"),
            format!("ip -n {own} route add default via {PEER_ADDRESS}"),
        ] {
            run(&line)?;
        }
        for client in CLIENTS {
            run(&format!("ip -n {own} address add {client}/32 dev lo"))?;
        }
        // With it, the host has a mount below /etc, as containers have.
        std::fs::create_dir_all(format!("/etc/netns/{own}"))?;
        std::fs::write(format!("/etc/netns/{own}/resolv.conf"), format!("nameserver {PEER_ADDRESS}\n"))?;
        Ok(wire)
    }

    fn run_tests(&self, words: &[String]) -> Outcome<bool> {
        let (uid, gid) = user()?;
        let program = std::env::current_exe()?;
        let mut server = self.start_server(&program)?;
        let on_own = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).args(["setpriv", "--init-groups", "--reset-env"]);
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]).arg("env");
            let ours = std::env::vars().filter(|(name, _)| name.starts_with("U7S_"));
            command.args(ours.map(|(name, value)| format!("{name}={value}")));
            command.arg(format!("{PEER}={PEER_ADDRESS}")).arg(&program);
            command
        };
        let mut passed = on_own(&["ip", "netns", "exec", &self.own]).args(words).status()?.success();
        if words.is_empty() {
            // Once more where nothing is mounted below /etc, which then is an overlay.
            let namespace = format!("--net=/run/netns/{}", self.own);
            passed &=
                on_own(&["nsenter", &namespace]).args(["--exact", "lifecycle::mounts_and_files"]).status()?.success();
        }
        server.kill()?;
        server.wait()?;
        Ok(passed)
    }

    fn start_server(&self, program: &std::path::Path) -> Outcome<Child> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.peer]).arg(program).args([SERVER, PEER_ADDRESS]);
        let mut server = command.stdout(Stdio::piped()).spawn()?;
        let mut ready = [0];
        server.stdout.take().ok_or("no output")?.read_exact(&mut ready)?;
        Ok(server)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.own));
        for name in [&self.own, &self.peer] {
            let _ = run(&format!("ip netns delete {name}"));
        }
    }
}

/// Uid and gid of the ordinary user, made if absent; /dev/net/tun gets the mode it has on every distribution.
fn user() -> Outcome<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    if !passwd.lines().any(|line| line.starts_with(&format!("{USER}:"))) {
        run(&format!("useradd --create-home --shell /bin/sh {USER}"))?;
    }
    for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
        let ids = std::fs::read_to_string(file).unwrap_or_default();
        if !ids.lines().any(|line| line.starts_with(&format!("{USER}:"))) {
            run(&format!("usermod {option} 1900000000-1900065535 {USER}"))?;
        }
    }
    run("chmod 0666 /dev/net/tun")?;
    let id = |option| Command::new("id").args([option, USER]).run();
    Ok((id("-u")?.trim().parse()?, id("-g")?.trim().parse()?))
}

/// Echoes TCP and UDP, and resolves names, until it is killed; prints a line when it is ready.
pub(crate) fn server(address: &str) -> ExitCode {
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> Outcome<()> {
    let tcp = TcpListener::bind((address, PEER_PORT))?;
    let udp = UdpSocket::bind((address, PEER_PORT))?;
    let dns = UdpSocket::bind((address, 53))?;
    let own: Ipv4Addr = address.parse()?;
    println!("ready");
    thread::spawn(move || answer_datagrams(&udp, <[u8]>::to_vec));
    thread::spawn(move || answer_datagrams(&dns, |query| resolve(query, own)));
    for stream in tcp.incoming().flatten() {
        thread::spawn(move || echo(stream));
    }
    Ok(())
}

fn answer_datagrams(socket: &UdpSocket, answer: impl Fn(&[u8]) -> Vec<u8>) {
    let mut buffer = [0; 2048];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(&answer(&buffer[..length]), client);
    }
}

/// Answers a DNS query (RFC 1035) for an address with `own`, any other with no record.
fn resolve(query: &[u8], own: Ipv4Addr) -> Vec<u8> {
    const HEADER: usize = 12;
    // A pointer to the name of the question, type A, class IN, 60 s, four bytes.
    const RECORD: [u8; 12] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4];
    let name = query.iter().skip(HEADER).position(|byte| *byte == 0).unwrap_or(0);
    let question_end = HEADER + name + 5;
    let is_address = query.get(HEADER + name + 1..question_end) == Some(&[0, 1, 0, 1]);
    let mut answer = query[..question_end.min(query.len())].to_vec();
    // A response with recursion, one question, and one record or none; no further sections.
    answer[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    if is_address {
        answer.extend(RECORD);
        answer.extend(own.octets());
    }
    answer
}

fn echo(mut stream: std::net::TcpStream) {
    let mut buffer = vec![0; 65536];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}
