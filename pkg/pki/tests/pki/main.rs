//! The crate as its callers use it, judged by OpenSSL and by kubeadm.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod authorities;
mod discovery;
mod kubeadm;
mod kubeconfigs;
mod openssl;
mod renewal;
mod support;
mod upkeep;
