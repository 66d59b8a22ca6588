//! A man in the middle between a host and the cluster that it discovers.

use crate::Outcome;
use crate::discovery::limits;
use crate::server::Server;
use serde_json::json;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use usernetes_cluster::discovery::{DiscoveryError, TrustError, discover};
use usernetes_pki::discovery::{KUBECONFIG_KEY, render, sign, signature_key};
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint};

/// The heads of requests.
type Requests = Arc<Mutex<Vec<String>>>;

/// A man in the middle with a CA of its own, whether it knows the token's secret or not, gets one request for public data.
pub(crate) async fn learns_nothing(_: &Server) -> Outcome {
    let token = BootstrapToken::generate();
    for known in [BootstrapToken::new(token.id(), "0123456789abcdef")?, token.clone()] {
        let (man, heard) = man_in_the_middle(&known)?;
        let refused = match discover(&[man], &token, &[CaCertHash([7; 32])], &limits()).await {
            Err(DiscoveryError::Trust { source, .. }) => source,
            other => panic!("not a matter of trust: {other:?}"),
        };
        let by_what = (&refused, known == token);
        assert!(
            matches!(by_what, (TrustError::Pin { .. }, true) | (TrustError::Signature { .. }, false)),
            "{by_what:?}"
        );
        let heard = heard.lock().expect("not poisoned").clone();
        let [request] = &heard[..] else { panic!("asked more than once: {heard:?}") };
        let asked = "GET /api/v1/namespaces/kube-public/configmaps/cluster-info HTTP/1.1\r\n";
        assert!(request.starts_with(asked) && request.ends_with("\r\n\r\n"), "{request}");
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
        assert!(!request.contains(token.id()) && !request.contains(token.secret().expose()), "{request}");
    }
    Ok(())
}

/// Its server, and every request to that.
fn man_in_the_middle(token: &BootstrapToken) -> Result<(Endpoint, Requests), Box<dyn Error>> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let endpoint = Endpoint::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr()?.port());
    let kubeconfig = render(&endpoint.url(), &own.cert.pem());
    let data = json!({ KUBECONFIG_KEY: kubeconfig, signature_key(token.id()): sign(&kubeconfig, token) });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": data }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{map}", map.len());
    let key = own.signing_key.serialize_der().try_into()?;
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![own.cert.der().clone()], key)?);
    let heard = Requests::default();
    let ears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone())?, stream?);
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
                request.extend(byte);
            }
            ears.lock().expect("not poisoned").push(String::from_utf8_lossy(&request).into_owned());
            stream.write_all(answer.as_bytes())?;
            stream.flush()?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    Ok((endpoint, heard))
}
