use super::super::testing::Place;
use super::*;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);

/// Serves a bundle with a file of this many bytes at the returned address; also the file's path in the URL.
async fn serve_file(length: usize, write_limit: Duration) -> (std::net::SocketAddr, String) {
    let place = Place::new();
    let bundle = Bundle::open(place.bundle("served")).expect("a bundle");
    let file = &bundle.manifest.files[0];
    let path = format!("/files/{}", file.sha256);
    std::fs::write(bundle.dir.join(&file.path), vec![7; length]).expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let _place = place;
        serve_with_limit(listener, &bundle, write_limit).await
    });
    (address, path)
}

async fn request(address: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.expect("sent");
    stream
}

async fn read_all(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("an end")?;
    Ok(answer)
}

#[tokio::test]
async fn a_file_is_sent_whole_and_the_connection_ends() {
    let (address, path) = serve_file(3 << 20, WRITE_LIMIT).await;
    let answer = read_all(request(address, &path).await).await.expect("answered");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(answer.len() > 3 << 20);
}

#[tokio::test]
async fn clients_that_do_not_read_hold_eight_places_until_the_limit() {
    let (address, path) = serve_file(32 << 20, Duration::from_secs(2)).await;
    let mut slow = Vec::new();
    for _ in 0..MAX_SERVED {
        slow.push(request(address, &path).await);
    }
    let waiting = request(address, &path).await;
    timeout(Duration::from_secs(1), waiting.readable()).await.expect_err("no place yet");
    assert!(read_all(waiting).await.expect("answered").len() > 32 << 20);
    // The kernel has ended the slow ones.
    assert!(read_all(slow.swap_remove(0)).await.is_err());
}

#[tokio::test]
async fn connections_above_the_limit_are_closed() {
    let (address, path) = serve_file(32 << 20, WRITE_LIMIT).await;
    let mut open = Vec::new();
    for _ in 0..MAX_OPEN {
        open.push(request(address, &path).await);
    }
    let mut further = request(address, &path).await;
    let end = timeout(LIMIT, further.read(&mut [0])).await.expect("closed");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[test]
fn pods_are_no_processes_of_the_node() {
    let of = |peer: &str| is_own_address(peer.parse().expect("an address"), [198, 51, 100, 11].into());
    assert!(of("198.51.100.11") && of("127.0.0.1"));
    assert!(!of("10.244.0.7") && !of("10.244.0.1") && !of("198.51.100.12"));
}
