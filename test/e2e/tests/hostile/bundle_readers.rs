//! Clients of the bundle server that read nothing.

use super::{Tenant, child_memory, web};
use anyhow::{Context as _, Result, ensure};
use usernetes_e2e::flood::{Flood, Kind};
use usernetes_e2e::{Machine, Testbed};

const MANY: usize = 2000;
/// Growth of the child in MiB.
const GROWTH: u64 = 24;

/// A pod is not served at all, and joining hosts are, meanwhile.
pub(crate) fn slow_readers_of_the_bundle(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let tenant = Tenant::new(first, "readers")?;
    tenant.namespace.apply(&web("reader", &first.name(), ""))?;
    tenant.namespace.ready(&["pod/reader"])?;
    let before = child_memory(first)?;
    let flood = Flood::from_pod(first, &tenant.namespace, "reader", 10261, MANY, Kind::Reader("/bundle.yaml"))?;
    let served = format!("/api/v1/nodes/http:{}:10261/proxy/bundle.yaml", first.name());
    let manifest = first.kubectl(&["get", "--raw", &served])?;
    drop(flood);
    let path = format!("/files/{}", largest_file(&manifest.stdout)?);
    let flood = Flood::from_pod(first, &tenant.namespace, "reader", 10261, MANY, Kind::Reader(&path))?;
    std::thread::sleep(std::time::Duration::from_secs(5));
    let during = child_memory(first)?;
    ensure!(during < before + GROWTH, "{before} MiB before, {during} MiB during the flood");
    first.kubectl(&["get", "--raw", &served])?;
    ensure!(flood.open < 64, "{} connections are served", flood.open);
    drop(flood);
    first.until("memory is given back", 30, |first| Ok(child_memory(first)? < before + GROWTH))
}

/// The checksum of the largest file of a manifest.
fn largest_file(manifest: &str) -> Result<String> {
    let manifest: serde_json::Value = serde_yaml::from_str(manifest)?;
    let files = manifest["files"].as_array().context("no files")?.iter();
    let largest = files.max_by_key(|file| file["size"].as_u64().unwrap_or(0)).context("no file")?;
    Ok(largest["sha256"].as_str().context("no checksum")?.to_owned())
}
