//! Imports the image archives of the bundle into the runtime's store once the runtime is ready; each archive once.

use crate::config::snapshotter_name;
use crate::cri::{Cri, CrioPrograms};
use crate::plan::{ImageArchive, NodePlan, Role};
use crate::shortage::is_shortage_at_start;
use crate::status::{ImagesStatus, NodeStatus, wait_until_ready};
use crate::{ComponentName, logs};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use usernetes_api::constants::CONTAINERD_SOCKET;
use usernetes_host::{Reaper, fs, process::Exit};

/// Number of attempts per image: the runtime may be killed during an import.
const ATTEMPTS: u32 = 4;
/// Pause before another attempt when this process lacked descriptors, memory or processes. It does not count.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Imports all images that are missing and reports progress in the status.
pub(crate) async fn import_missing(plan: Arc<NodePlan>, reaper: Reaper, status: watch::Sender<NodeStatus>) {
    let store = Path::new(plan.host.cri.store());
    let (done, missing): (Vec<_>, Vec<_>) =
        plan.software.images.iter().cloned().partition(|image| image.is_imported(store));
    let total = plan.software.images.len();
    let early = missing.iter().filter(|image| image.early).count();
    status.send_modify(|s| s.images = ImagesStatus { total, imported: done.len(), early: Some(early), errors: vec![] });
    if plan.role == Role::ControlPlane && !missing.is_empty() {
        // Unpacking keeps all cores busy. No pod exists before the API server is ready, and it starts faster alone.
        wait_until_ready(&status, ComponentName::KubeApiserver).await;
    }
    let permits = Arc::new(Semaphore::new(max_parallel_imports()));
    let mut imports = JoinSet::new();
    for image in missing {
        let permits = permits.clone();
        let plan = plan.clone();
        let reaper = reaper.clone();
        let status = status.clone();
        imports.spawn(async move {
            let _permit = permits.acquire().await;
            let result = import_with_retries(&plan, &reaper, &status, &image).await;
            status.send_modify(|s| {
                if image.early {
                    s.images.early = s.images.early.map(|early| early.saturating_sub(1));
                }
                match result {
                    Ok(()) => s.images.imported += 1,
                    Err(error) => s.images.errors.push(format!("{}: {error}", image.reference)),
                }
            });
        });
    }
    if imports.is_empty() {
        return;
    }
    imports.join_all().await;
    let images = status.borrow().images.clone();
    tracing::info!(imported = images.imported, total = images.total, failed = images.errors.len(), "images imported");
}

/// Unpacking an image keeps one core busy.
fn max_parallel_imports() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().clamp(1, 4))
}

async fn import_with_retries(
    plan: &NodePlan,
    reaper: &Reaper,
    status: &watch::Sender<NodeStatus>,
    image: &ImageArchive,
) -> Result<(), String> {
    let mut failure = String::new();
    let mut attempt = 0;
    while attempt < ATTEMPTS {
        tokio::time::sleep(Duration::from_millis(500) * attempt).await;
        wait_until_ready(status, plan.host.cri.component()).await;
        attempt += 1;
        match run_importer(plan, reaper, image).await {
            Err(error) if is_shortage_at_start(&error) => {
                tracing::warn!(%error, image = image.reference, "cannot import image yet");
                tokio::time::sleep(SHORTAGE_PAUSE).await;
                attempt -= 1;
            }
            Ok(Exit::Code(0)) => {
                let marker = image.marker(Path::new(plan.host.cri.store()));
                return fs::write(marker, "", fs::Mode::Public).map_err(|error| error.to_string());
            }
            Ok(exit) => failure = format!("{}: {exit}", importer_name(plan)),
            Err(error) => failure = format!("cannot start {}: {error}", importer_name(plan)),
        }
    }
    Err(failure)
}

/// Name of the program that writes to the store.
fn importer_name(plan: &NodePlan) -> &'static str {
    match plan.host.cri {
        Cri::Containerd => "ctr",
        Cri::CriO(_) => "skopeo",
    }
}

async fn run_importer(plan: &NodePlan, reaper: &Reaper, image: &ImageArchive) -> std::io::Result<Exit> {
    let log = logs::open_log(&plan.software.logs.join("images.log"))?;
    let mut command = match &plan.host.cri {
        Cri::Containerd => ctr_command(plan, image),
        Cri::CriO(programs) => skopeo_command(programs, image),
    };
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Ok(reaper.spawn(&mut command)?.wait().await)
}

fn ctr_command(plan: &NodePlan, image: &ImageArchive) -> Command {
    let mut command = Command::new(plan.program_path("ctr"));
    command.args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import"]);
    // `--local` (not the transfer service) takes half the time and supports `--sync-fs`, which writes files to the disk
    // before a layer counts as unpacked: otherwise a power cut leaves a layer of empty files that is never unpacked again.
    command.args(["--local", "--sync-fs", "--snapshotter", snapshotter_name(plan.host.snapshotter)]);
    // Pinned: garbage collection must not delete what no registry provides.
    command.args(["--label", "io.cri-containerd.pinned=pinned"]).arg(&image.path);
    command
}

/// CRI-O's configuration pins the images.
fn skopeo_command(programs: &CrioPrograms, image: &ImageArchive) -> Command {
    let from = format!("docker-archive:{}", image.path.display());
    let words = programs.copy_command(&from, &image.reference);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
