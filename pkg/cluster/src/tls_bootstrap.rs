//! A joining node's certificate: the request of its kubelet, made before there is a kubelet.

use crate::client::describe;
use crate::wait::pause_or_fail;
use crate::{Cluster, Error, Verb};
use futures::StreamExt;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::PostParams;
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// The signer of kubelets' client certificates.
const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

impl Cluster {
    /// Asks for a kubelet's client certificate with the rights of a bootstrap token and waits until the controller
    /// manager has approved and signed it; the certificate as PEM.
    ///
    /// Mirrors `requestNodeCertificate` of `pkg/kubelet/certificate/bootstrap/bootstrap.go`.
    pub async fn kubelet_certificate(&self, request_pem: &str, limit: Duration) -> Result<String, Error> {
        let api: Api<CertificateSigningRequest> = self.all();
        let made = api.create(&PostParams::default(), &request(request_pem)).await;
        let object = || describe::<CertificateSigningRequest>(None, "node-csr-");
        let name = made.map_err(Error::request(Verb::Create, object()))?.name_any();
        let mut seen = Seen::Nothing;
        match timeout(limit, signed(api, &name, &mut seen)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                what: format!("certificate for {}", describe::<CertificateSigningRequest>(None, &name)),
                waited: limit,
                last_seen: seen.describe().to_owned(),
            }),
        }
    }
}

fn request(pem: &str) -> CertificateSigningRequest {
    serde_json::from_value(json!({
        "metadata": { "generateName": "node-csr-" },
        "spec": {
            "request": k8s_openapi::ByteString(pem.as_bytes().to_vec()),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
        },
    }))
    .expect("a request")
}

/// How far it came.
enum Seen {
    Nothing,
    Approved,
}

impl Seen {
    fn describe(&self) -> &'static str {
        match self {
            Self::Nothing => "nobody has approved it: does kube-controller-manager run on the control plane?",
            Self::Approved => "approved, but not signed: does the cluster sign its certificates elsewhere?",
        }
    }
}

async fn signed(api: Api<CertificateSigningRequest>, name: &str, seen: &mut Seen) -> Result<String, Error> {
    let object = || describe::<CertificateSigningRequest>(None, name);
    let mut changes = pin!(watch_object(api, name));
    loop {
        let request = match changes.next().await {
            Some(Ok(Some(request))) => request,
            Some(Ok(None)) | None => continue,
            Some(Err(error)) => {
                pause_or_fail(error, &object()).await?;
                continue;
            }
        };
        let status = request.status.unwrap_or_default();
        if let Some(certificate) = status.certificate {
            let text = String::from_utf8(certificate.0);
            return text.map_err(|_| Error::Content { object: object(), what: "a certificate that is no PEM".into() });
        }
        for condition in status.conditions.unwrap_or_default() {
            match condition.type_.as_str() {
                "Approved" => *seen = Seen::Approved,
                "Denied" | "Failed" => {
                    let why = condition.message.or(condition.reason).unwrap_or_default();
                    let what = format!("been answered with {}: {why}", condition.type_);
                    return Err(Error::Content { object: object(), what });
                }
                _ => {}
            }
        }
    }
}
