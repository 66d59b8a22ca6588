//! Puts the image archives of the bundle into the runtime's store, as soon as it answers; each archive once.

use crate::config::snapshotter_name;
use crate::cri::{Cri, CrioPrograms};
use crate::plan::{ImageArchive, NodePlan, Role};
use crate::supervise::{ImagesStatus, NodeStatus};
use crate::{ComponentName, logs, supervise};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use usernetes_api::constants::CONTAINERD_SOCKET;
use usernetes_host::{Reaper, fs, process::Exit};

/// The runtime may be killed in the middle of an import.
const ATTEMPTS: u32 = 4;

/// An empty file of this name says that the archive is in the store; below it, so that both go together.
pub(crate) fn marker(root: &Path, image: &ImageArchive) -> PathBuf {
    root.join("imported").join(&image.sha256)
}

/// Imports everything that is not marked; the status tells how far it is.
pub(crate) async fn import(plan: Arc<NodePlan>, reaper: Reaper, status: watch::Sender<NodeStatus>) {
    let root = Path::new(plan.cri.store());
    let (done, missing): (Vec<_>, Vec<_>) = plan.images.iter().cloned().partition(|i| marker(root, i).exists());
    let total = plan.images.len();
    let early = missing.iter().filter(|image| image.early).count();
    status.send_modify(|s| s.images = ImagesStatus { total, imported: done.len(), early: Some(early), errors: vec![] });
    if plan.role == Role::ControlPlane && !missing.is_empty() {
        // Unpacking keeps both cores busy, no pod is there before the API server, and it starts the sooner the less
        // it has to share.
        supervise::ready(&status, ComponentName::KubeApiserver).await;
    }
    let places = Arc::new(Semaphore::new(at_a_time()));
    let mut imports = JoinSet::new();
    for image in missing {
        let (plan, reaper, status, places) = (plan.clone(), reaper.clone(), status.clone(), places.clone());
        imports.spawn(async move {
            let _place = places.acquire().await;
            let result = import_one(&plan, &reaper, &status, &image).await;
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
    imports.join_all().await;
}

/// Unpacking keeps a core busy.
fn at_a_time() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().clamp(1, 4))
}

async fn import_one(
    plan: &NodePlan,
    reaper: &Reaper,
    status: &watch::Sender<NodeStatus>,
    image: &ImageArchive,
) -> Result<(), String> {
    let mut failure = String::new();
    for attempt in 0..ATTEMPTS {
        tokio::time::sleep(Duration::from_millis(500) * attempt).await;
        supervise::ready(status, plan.cri.component()).await;
        match hand_over(plan, reaper, image).await {
            Ok(Exit::Code(0)) => {
                let marked = fs::write(marker(Path::new(plan.cri.store()), image), "", fs::Mode::Public);
                return marked.map_err(|e| e.to_string());
            }
            Ok(exit) => failure = format!("{}: {exit}", importer(plan)),
            Err(error) => failure = format!("cannot start {}: {error}", importer(plan)),
        }
    }
    Err(failure)
}

/// The program that knows the store.
fn importer(plan: &NodePlan) -> &'static str {
    match plan.cri {
        Cri::Containerd => "ctr",
        Cri::CriO(_) => "skopeo",
    }
}

async fn hand_over(plan: &NodePlan, reaper: &Reaper, image: &ImageArchive) -> std::io::Result<Exit> {
    let log = logs::open(&plan.logs.join("images.log"))?;
    let mut command = match &plan.cri {
        Cri::Containerd => ctr(plan, image),
        Cri::CriO(programs) => skopeo(programs, image),
    };
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Ok(reaper.spawn(&mut command)?.wait().await)
}

fn ctr(plan: &NodePlan, image: &ImageArchive) -> Command {
    let mut command = Command::new(plan.bin("ctr"));
    command.args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import"]);
    // By itself and not by the transfer service it takes half the time, and can bring files to the disk before a layer counts
    // as unpacked: otherwise a power cut leaves a layer of empty files that nothing unpacks again.
    command.args(["--local", "--sync-fs", "--snapshotter", snapshotter_name(plan.snapshotter)]);
    // Pinned: no garbage collection takes what no registry gives back.
    command.args(["--label", "io.cri-containerd.pinned=pinned"]).arg(&image.path);
    command
}

/// Its images are pinned by CRI-O's configuration.
fn skopeo(programs: &CrioPrograms, image: &ImageArchive) -> Command {
    let from = format!("docker-archive:{}", image.path.display());
    let words = programs.copy_command(&from, &image.reference);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
