//! A bundle goes from one host's directory to another's, over HTTP without the API server in between.

use super::*;
use crate::bundle::testing::Place;
use crate::bundle::{Check, serve};
use std::future::Future;
use tokio::net::TcpListener;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// What [`take`] does, but for TLS and credentials.
async fn take_plain(place: &Place, dir: &Path, prepare: impl FnOnce(&Path)) -> Result<Bundle, PeerError> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let served = Bundle::open(dir).expect("good");
    let server = tokio::spawn(async move { serve(listener, &served).await });
    let peer = Peer { url, ca_pem: String::new(), credentials: Credentials::Token(Secret::new("a")) };
    let client = Client::builder().no_proxy().build().expect("a client");
    let work = place.path("work");
    create_dir(&work)?;
    prepare(&work);
    let text =
        Fetcher::with_client(client.clone(), BACKOFF, &|_| {}).fetch_text(&format!("{}/{MANIFEST}", peer.url)).await?;
    let manifest = manifest_of(&peer, &text, &digest::hash_bytes(text.as_bytes()))?;
    let (seen, tally_total) = (Mutex::new(Vec::new()), manifest.files.iter().map(|file| file.size).sum::<u64>());
    let note = |p: Progress| seen.lock().expect("not poisoned").push(p);
    let tally = Tally::new(&manifest, &note);
    fetch_all(&peer, client, &manifest, &work, &|p| tally.advance(p)).await?;
    server.abort();
    let last = seen.lock().expect("not poisoned").last().copied();
    assert_eq!(last, Some(Progress { done: tally_total, total: tally_total }));
    let to = place.path("taken");
    create_dir(&to)?;
    fs::write(to.join(MANIFEST), &text, Mode::Public)?;
    put_together(&manifest, &work, &to)?;
    Ok(Bundle::open(&to)?)
}

#[test]
fn every_file_arrives() {
    let place = Place::new();
    let dir = place.bundle("good");
    let taken = block_on(take_plain(&place, &dir, |_| {})).expect("taken");
    assert_eq!(taken.verify(&place.cache(), Check::Full, &|_| {}).expect("good").files, 3);
    assert_eq!(taken.digest(), Bundle::open(&dir).expect("good").digest());
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let place = Place::new();
    let dir = place.bundle("good");
    let kubelet = Bundle::open(&dir).expect("good").manifest().files[0].clone();
    let half = std::fs::read(dir.join(&kubelet.path)).expect("read")[..100_000].to_vec();
    let taken = block_on(take_plain(&place, &dir, |work| {
        let part = work.join(&kubelet.sha256).with_added_extension("part");
        std::fs::write(&part, half).expect("written");
        std::fs::write(part.with_added_extension("validator"), format!("\"{}\"", kubelet.sha256)).expect("written");
    }));
    taken.expect("taken").verify(&place.cache(), Check::Full, &|_| {}).expect("good");
}

#[test]
fn a_flipped_byte_is_refused() {
    let place = Place::new();
    let dir = place.bundle("bad");
    let path = dir.join("bin/kubelet");
    let mut content = std::fs::read(&path).expect("read");
    content[1234] ^= 1;
    std::fs::write(&path, content).expect("written");
    let error = block_on(take_plain(&place, &dir, |_| {})).expect_err("refused");
    assert!(matches!(&error, PeerError::Checksum { path, .. } if path == "bin/kubelet"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("bundle verify")));
}

#[test]
fn another_manifest_than_the_token_names() {
    let peer = Peer { url: String::new(), ca_pem: String::new(), credentials: Credentials::Token(Secret::new("a")) };
    let error = manifest_of(&peer, "kind: Bundle", &"0".repeat(64)).expect_err("refused");
    assert!(matches!(error, PeerError::Identity { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("token create")));
}

#[test]
fn nothing_else_is_served() {
    let place = Place::new();
    let dir = place.bundle("good");
    let statuses = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let served = Bundle::open(&dir).expect("good");
        let server = tokio::spawn(async move { serve(listener, &served).await });
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut statuses = Vec::new();
        for path in ["/bundle.yaml", "/bin/kubelet", "/files/../bin/kubelet", "/files/", "/files//etc/passwd"] {
            statuses.push(client.get(format!("{url}{path}")).send().await.expect("an answer").status().as_u16());
        }
        statuses.push(client.post(format!("{url}/bundle.yaml")).send().await.expect("an answer").status().as_u16());
        server.abort();
        statuses
    });
    assert_eq!(statuses, [200, 404, 404, 404, 404, 405]);
}
