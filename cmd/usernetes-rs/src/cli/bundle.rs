//! `bundle`: the node's software.

use crate::output::Printer;
use crate::session::{Session, block_on};
use anyhow::Result;
use clap::Subcommand;
use indicatif::{MultiProgress, ProgressBar};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use usernetes_api::constants::KUBERNETES_VERSION;
use usernetes_node::bundle::{self, Bundle, Check, download};

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Verify every checksum of a bundle
    Verify {
        /// Directory of the bundle [default: the bundle in use]
        path: Option<PathBuf>,
    },
    /// List imported bundles and their components
    List,
    /// Import a directory or an archive (.tar, .tar.gz, .tar.zst)
    Import {
        /// Path of the directory or archive; - reads an archive from standard input
        path: PathBuf,
    },
    /// Download upstream's releases and make a bundle of them
    Download {
        /// Version of Kubernetes
        #[arg(long, default_value = KUBERNETES_VERSION, value_name = "VERSION")]
        kubernetes_version: String,
        /// Base URL of a mirror laid out as MIRROR/HOST/PATH
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
    },
}

pub(crate) fn run(session: &Session, command: BundleCommand) -> Result<ExitCode> {
    let bundles = session.paths().bundles();
    match command {
        BundleCommand::Verify { path } => {
            let bundle = match path {
                Some(path) => Bundle::open(&path)?,
                None => bundle_in_use(session)?,
            };
            let bar = session.printer.byte_bar("verify", bundle.manifest().files.iter().map(|f| f.size).sum());
            let verified = bundle.verify(&bundle::stamps_directory(&bundle, session.paths()), Check::Full, &|p| {
                bar.set_position(p.done);
            })?;
            bar.finish_and_clear();
            session.printer.result(&format!("{}: {} files match bundle.yaml", bundle.dir().display(), verified.files));
            session.printer.object(&json!({ "path": bundle.dir(), "files": verified.files, "verified": true }));
        }
        BundleCommand::List => list_bundles(session)?,
        BundleCommand::Import { path } => {
            let bar = session.printer.byte_bar("import", 0);
            let on_progress = |p: bundle::Progress| {
                bar.set_length(p.total);
                bar.set_position(p.done);
            };
            let imported = bundle::import(&path, &bundles, &bundles, &on_progress)?;
            let dir = imported.bundle.dir();
            bar.finish_and_clear();
            session.printer.result(&dir.display().to_string());
            session.printer.object(&json!({ "path": dir }));
        }
        BundleCommand::Download { kubernetes_version, mirror } => {
            download_bundle(session, &kubernetes_version, mirror.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The bundle of this host's node, or the one that `init` would use.
fn bundle_in_use(session: &Session) -> Result<Bundle> {
    let mut config = session.kept_config()?.unwrap_or_default();
    if config.cluster.kubernetes_version.is_empty() {
        KUBERNETES_VERSION.clone_into(&mut config.cluster.kubernetes_version);
    }
    Ok(bundle::find_bundle(&config, session.paths())?)
}

fn list_bundles(session: &Session) -> Result<()> {
    for imported in bundle::list_bundles(&session.paths().bundles())? {
        let bundle = match imported.bundle {
            Ok(bundle) => bundle,
            Err(error) => {
                session.printer.warn(&format!("{}: {error}", imported.dir.display()));
                continue;
            }
        };
        let manifest = bundle.manifest();
        session.printer.result(&format!("{}  {}", manifest.name, bundle.dir().display()));
        for component in &manifest.components {
            session.printer.result(&format!("  {:<28} {}", component.name, component.version));
        }
        session.printer.object(&json!({ "path": bundle.dir(), "manifest": manifest }));
    }
    Ok(())
}

fn download_bundle(session: &Session, version: &str, mirror: Option<&str>) -> Result<()> {
    let bundles = session.paths().bundles();
    let options = download::Options {
        kubernetes_version: version.to_owned(),
        mirror: mirror.map(str::to_owned),
        lock: session.paths().xdg.config.join("usernetes/bundle.lock.yaml"),
        cache: bundles.clone(),
        bundles,
    };
    let bars = Bars::default();
    let on_progress = |p: download::Progress<'_>| bars.update(&session.printer, p);
    let imported = block_on(download::download_bundle(&options, &on_progress))??;
    let dir = imported.bundle.dir();
    session.printer.result(&dir.display().to_string());
    session.printer.object(&json!({ "path": dir }));
    Ok(())
}

/// One progress bar for each file.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    by_file: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn update(&self, printer: &Printer, p: download::Progress<'_>) {
        let mut bars = self.by_file.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(p.file.to_owned()).or_insert_with(|| printer.byte_bar_in(&self.all, p.file));
        if let Some(total) = p.total {
            bar.set_length(total);
        }
        bar.set_position(p.done);
        if p.total == Some(p.done) {
            bar.finish_and_clear();
        }
    }
}
