//! Floods of connections from a host, as a process of another user, or from a pod.

use anyhow::{Context, Result};
use std::time::Duration;

use crate::command::background::Background;
use crate::kubernetes::Namespace;
use crate::testbed::host::Host;
use crate::testbed::machine::Machine;

/// What the connections of a flood do.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// Nothing.
    Idle,
    /// Send a byte now and then.
    Slow,
    /// Ask for this path by HTTP and read no answer.
    Reader(&'a str),
}

/// The uid of a user who has nothing to do with any cluster.
const STRANGER: &str = "65533";
/// Time for all connections of a flood.
const OPEN_LIMIT: Duration = Duration::from_mins(3);

/// Opens connections, then keeps replacing the oldest, so that their number stays although a server closes them.
const SCRIPT: &str = r#"
use strict; use Socket; use Fcntl; use IO::Handle;
$| = 1; $SIG{PIPE} = 'IGNORE';
my ($address, $port, $count, $kind, $path) = @ARGV;
my $to = pack_sockaddr_in($port, inet_aton($address));
my @all;
sub open_one {
  socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
  $s->blocking(0) if $kind ne 'reader';
  connect($s, $to);
  syswrite($s, "GET $path HTTP/1.1\r\nHost: x\r\n\r\n") if $kind eq 'reader';
  $s;
}
$all[$_] = open_one() for 0 .. $count - 1;
my $open = 0;
for (@all) { $open++ if getpeername($_) }
print "open $open\n";
for (my $i = 0; ; $i = ($i + 5) % $count) {
  select(undef, undef, undef, 0.01);
  for my $j ($i .. $i + 4) {
    next if $j >= $count || $kind eq 'reader';
    next if $kind eq 'slow' && syswrite($all[$j], 'G');
    $all[$j] = open_one();
  }
}
"#;

/// A flood that goes on until it is dropped.
pub struct Flood {
    _process: Background,
    /// Connections that were open once all had been tried.
    pub open: usize,
}

impl Flood {
    /// From the host itself, as a user without any credentials.
    pub fn from_stranger(host: &Host, port: u16, count: usize, kind: Kind<'_>) -> Result<Self> {
        let user = ["setpriv", "--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", "--inh-caps=-all", "--"];
        let target = [host.address(), port.to_string(), count.to_string()];
        let words = user.iter().map(|word| (*word).to_owned()).chain(perl(&target, kind));
        Self::start(host.run(&words.collect::<Vec<_>>()).root().spawn()?)
    }

    /// From the network of a pod on the host.
    pub fn from_pod(
        host: &Host,
        namespace: &Namespace,
        pod: &str,
        port: u16,
        count: usize,
        kind: Kind<'_>,
    ) -> Result<Self> {
        let address = namespace.field(&format!("pod/{pod}"), ".status.podIP")?;
        let enter = format!(
            "for n in /run/netns/*; do nsenter --net=$n ip -o -4 address | grep -q ' {address}/' && exec nsenter --net=$n \"$@\"; done"
        );
        let inside = ["shell", "--", "sh", "-c", &enter, "flood"];
        let target = [host.address(), port.to_string(), count.to_string()];
        let words = inside.iter().map(|word| (*word).to_owned()).chain(perl(&target, kind));
        Self::start(host.tool(&words.collect::<Vec<_>>()).spawn()?)
    }

    fn start(process: Background) -> Result<Self> {
        let line = process.line(OPEN_LIMIT, |line| line.starts_with("open "))?;
        let open = line.trim_start_matches("open ").parse().context("a number")?;
        Ok(Self { _process: process, open })
    }
}

fn perl(target: &[String], kind: Kind<'_>) -> Vec<String> {
    let mut words = vec!["perl".to_owned(), "-e".to_owned(), SCRIPT.to_owned()];
    words.extend_from_slice(target);
    match kind {
        Kind::Idle => words.push("idle".to_owned()),
        Kind::Slow => words.push("slow".to_owned()),
        Kind::Reader(path) => words.extend(["reader".to_owned(), path.to_owned()]),
    }
    words
}
