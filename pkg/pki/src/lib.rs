//! Keys, certificates, kubeconfigs, bootstrap tokens and discovery signatures, as kubeadm makes them.
//!
//! Everything here works on files and strings; nothing talks to a server. [`spec`] is kubeadm's certificate tree as
//! a table, [`store`] keeps a directory in line with it, [`kubeconfig`] does the same for kubeconfigs, [`expiry`] and
//! [`renew`] are for later, and [`token`], [`discovery`] and [`join_token`] are what a second host trusts.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod discovery;
mod endpoint;
pub mod expiry;
mod issue;
pub mod join_token;
mod jws;
mod keys;
pub mod kubeconfig;
mod kubelet_request;
mod load;
mod params;
mod problem;
pub mod renew;
mod request;
mod secret;
pub mod spec;
pub mod store;
#[cfg(test)]
mod testing;
pub mod token;

pub use discovery::{CaCertHash, ClusterInfo, TrustError};
pub use endpoint::{Endpoint, EndpointSyntaxError};
pub use expiry::{Expiration, Report};
pub use join_token::{BundleIdentity, JoinToken, JoinTokenError};
pub use kubeconfig::Kubeconfig;
pub use kubelet_request::KubeletRequest;
pub use params::{CertParams, ParamsError, Policy};
pub use problem::Problem;
pub use request::{CertificateRequest, CertificateSubject, subject_of};
pub use secret::Secret;
pub use store::{Action, Outcome, PkiError};
pub use token::{BootstrapToken, TokenError};
