//! The client certificate of a joining kubelet, requested before the kubelet runs.

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

/// Prefix of the request's name, as in the kubelet.
const PREFIX: &str = "node-csr-";
/// The signer of kubelets' client certificates.
const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

impl Cluster {
    /// Requests a kubelet's client certificate with the rights of a bootstrap token, waits until the controller manager has
    /// approved and signed it, and returns it as PEM.
    ///
    /// Mirrors `requestNodeCertificate` of `pkg/kubelet/certificate/bootstrap/bootstrap.go`.
    pub async fn request_kubelet_certificate(&self, request_pem: &str, limit: Duration) -> Result<String, Error> {
        let api: Api<CertificateSigningRequest> = self.all();
        let created = api.create(&PostParams::default(), &new_request(request_pem)).await;
        let created =
            created.map_err(Error::request(Verb::Create, describe::<CertificateSigningRequest>(None, PREFIX)))?;
        let name = created.name_any();
        let mut progress = Progress::Pending;
        match timeout(limit, wait_signed(api, &name, &mut progress)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                what: format!("the certificate of {}", describe::<CertificateSigningRequest>(None, &name)),
                waited: limit,
                last_seen: progress.describe().to_owned(),
            }),
        }
    }
}

fn new_request(pem: &str) -> CertificateSigningRequest {
    serde_json::from_value(json!({
        "metadata": { "generateName": PREFIX },
        "spec": {
            "request": k8s_openapi::ByteString(pem.as_bytes().to_vec()),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
        },
    }))
    .expect("a request")
}

/// Progress of a request.
enum Progress {
    Pending,
    Approved,
}

impl Progress {
    fn describe(&self) -> &'static str {
        match self {
            Self::Pending => "it is not approved; check whether kube-controller-manager runs on the control plane",
            Self::Approved => {
                "it is approved but not signed; check whether another signer is configured in the cluster"
            }
        }
    }
}

async fn wait_signed(
    api: Api<CertificateSigningRequest>,
    name: &str,
    progress: &mut Progress,
) -> Result<String, Error> {
    let object = describe::<CertificateSigningRequest>(None, name);
    let mut changes = pin!(watch_object(api, name));
    loop {
        let request = match changes.next().await {
            Some(Ok(Some(request))) => request,
            Some(Ok(None)) | None => continue,
            Some(Err(error)) => {
                pause_or_fail(error, &object).await?;
                continue;
            }
        };
        let status = request.status.unwrap_or_default();
        if let Some(certificate) = status.certificate {
            let text = String::from_utf8(certificate.0);
            return text.map_err(|_| Error::Content { object, what: "a certificate that is not PEM".into() });
        }
        for condition in status.conditions.unwrap_or_default() {
            match condition.type_.as_str() {
                "Approved" => *progress = Progress::Approved,
                "Denied" | "Failed" => {
                    let why = condition.message.or(condition.reason).unwrap_or_default();
                    let what = format!("the condition {}: {why}", condition.type_);
                    return Err(Error::Content { object, what });
                }
                _ => {}
            }
        }
    }
}
