use super::http::{Parsed, parse_response};
use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

#[test]
fn reads_answers_as_go_writes_them() {
    let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(parse_response(answer).expect("HTTP"), Parsed::Whole(403));
    assert_eq!(parse_response(&answer[..answer.len() - 1]).expect("HTTP"), Parsed::Part);
    assert_eq!(parse_response(&answer[..20]).expect("HTTP"), Parsed::Part);
    assert_eq!(
        parse_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").expect("HTTP"),
        Parsed::Whole(200)
    );
    parse_response(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n").expect_err("no length");
    // What Go says to plain HTTP on a TLS port.
    parse_response(b"Client sent an HTTP request to an HTTPS server.\r\n\r\n").expect_err("not HTTP");
}

proptest! {
    #[test]
    fn never_panics(answer: Vec<u8>) {
        let _ = parse_response(&answer);
    }

    #[test]
    fn no_prefix_of_a_failure_is_whole(body in "[ -~]{1,200}", cut in 1usize..100) {
        let answer = format!("HTTP/1.1 500 Bad\r\ncontent-length:{}\r\n\r\n{body}", body.len());
        prop_assert_eq!(parse_response(answer.as_bytes()).expect("HTTP"), Parsed::Whole(500));
        let cut = answer.len().saturating_sub(cut);
        prop_assert_eq!(parse_response(&answer.as_bytes()[..cut]).expect("HTTP"), Parsed::Part);
    }
}

/// Answers one request after another on one connection.
async fn serve(listener: TcpListener, answers: &[&str]) {
    let (mut stream, _) = listener.accept().await.expect("a client");
    for answer in answers {
        let mut request = [0; 1024];
        let n = stream.read(&mut request).await.expect("a request");
        assert!(request[..n].starts_with(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
        stream.write_all(answer.as_bytes()).await.expect("answered");
    }
}

#[tokio::test]
async fn asks_again_on_the_same_connection_until_200() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let probe = Probe::Http { address: listener.local_addr().expect("an address"), path: "/readyz" };
    let bad = "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nno\n";
    let answers = [bad, bad, "HTTP/1.1 200 OK\r\n\r\n"];
    let both = async { tokio::join!(probe.wait_until_ready(), serve(listener, &answers)) };
    timeout(Duration::from_secs(10), both).await.expect("ready");
}

#[tokio::test]
async fn a_server_that_only_fails_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let probe = Probe::Http { address: listener.local_addr().expect("an address"), path: "/readyz" };
    let bad = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    let answers = [bad, bad];
    let ask = timeout(Duration::from_millis(200), probe.wait_until_ready());
    tokio::join!(ask, serve(listener, &answers)).0.expect_err("never ready");
}

#[tokio::test]
async fn a_socket_is_ready_when_it_accepts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run/x.sock");
    let probe = Probe::Unix(path.clone());
    let listen = async {
        sleep(Duration::from_millis(30)).await;
        std::fs::create_dir(directory.path().join("run")).expect("made");
        // A socket that a killed process left does not accept.
        drop(UnixListener::bind(&path).expect("bound"));
        sleep(Duration::from_millis(30)).await;
        std::fs::remove_file(&path).expect("removed");
        UnixListener::bind(&path).expect("bound")
    };
    let both = async { tokio::join!(probe.wait_until_ready(), listen) };
    timeout(Duration::from_secs(10), both).await.expect("ready");
}
