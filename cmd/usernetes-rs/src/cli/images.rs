//! `images`: container images of this host's node. Import works without a registry.

mod containerd;
mod crio;
mod manage;

use crate::errors::{Hinted, UsageError};
use crate::output::render_table;
use crate::session::Session;
use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde_json::json;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use usernetes_node::bundle::{self, Bundle};
use usernetes_node::image_store::{self, Sent, Source, StoredImage};
use usernetes_node::{Cri, NodePlan};

#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// Import docker-archives and OCI layouts, also compressed by gzip or zstd
    Import {
        /// An archive, a directory with an OCI layout, a directory of these, or - for an archive on standard input
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Repository of images that have a tag only, as in some OCI layouts
        #[arg(long, value_name = "REGISTRY/REPOSITORY")]
        base_name: Option<String>,
    },
    /// List images
    #[command(visible_alias = "ls")]
    List,
    /// Pull images from their registries
    Pull {
        /// Image names, as in a pod
        #[arg(required = true, value_name = "IMAGE")]
        names: Vec<String>,
    },
    /// Print what the runtime knows about images, as JSON
    Inspect {
        /// Image names, as in a pod, or ids
        #[arg(required = true, value_name = "IMAGE")]
        names: Vec<String>,
    },
    /// Remove images that no pod uses
    #[command(visible_alias = "rm")]
    Remove {
        /// Image names, as in a pod, or ids; all names of an image go with it
        #[arg(required = true, value_name = "IMAGE")]
        names: Vec<String>,
    },
    /// Remove all images that no pod uses, but those of the bundle and imported ones
    Prune {
        /// Remove them without prompting for confirmation
        #[arg(short, long)]
        force: bool,
    },
}

pub(crate) fn run(session: &Session, command: ImagesCommand) -> Result<ExitCode> {
    let store = ImageStore::open(session)?;
    match command {
        ImagesCommand::Import { paths, base_name } => {
            for source in find_sources(&paths)? {
                store.import(&source, base_name.as_deref())?;
            }
        }
        ImagesCommand::List => show_images(session, &store.list()?),
        ImagesCommand::Inspect { names } => manage::inspect(&store, &names)?,
        ImagesCommand::Remove { names } => manage::remove(&store, &names)?,
        ImagesCommand::Prune { force } => manage::prune(&store, force)?,
        ImagesCommand::Pull { names } => {
            for name in names {
                store.pull(&image_store::full_name(&name)?)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All sources, found before the first is imported.
fn find_sources(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let found: Result<Vec<_>, _> = paths.iter().map(|path| Source::find(path)).collect();
    let sources = found?.concat();
    if sources.contains(&Source::Stdin) && std::io::stdin().is_terminal() {
        return Err(UsageError::Flags("- reads an archive from standard input, which is a terminal".into()).into());
    }
    Ok(sources)
}

fn show_images(session: &Session, images: &[StoredImage]) {
    for image in images {
        session.printer.object(image);
    }
    let rows: Vec<_> = images.iter().map(image_row).collect();
    session.printer.result(&render_table(&["IMAGE", "DIGEST", "SIZE", "PINNED"], &rows));
}

fn image_row(i: &StoredImage) -> Vec<String> {
    let pinned = if i.pinned { "yes" } else { "no" };
    vec![i.name.clone(), i.digest.chars().take(19).collect(), i.size.clone(), pinned.to_owned()]
}

/// The image store of the running node.
struct ImageStore<'a> {
    session: &'a Session,
    plan: NodePlan,
    bundle: Bundle,
    child: i32,
}

impl<'a> ImageStore<'a> {
    fn open(session: &'a Session) -> Result<Self> {
        let child = session.instance.connect()?.info()?.child_pid;
        let plan = NodePlan::load(session.paths())?.context("the running node has left no plan")?;
        let bundle = bundle::find_bundle(&session.config()?, session.paths())?;
        Ok(Self { session, plan, bundle, child })
    }

    fn command(&self, words: Vec<OsString>) -> Command {
        let mut command = usernetes_rootless::enter_command(self.child, words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn import(&self, source: &Source, base_name: Option<&str>) -> Result<()> {
        let started = Instant::now();
        let bar =
            self.session.printer.byte_bar(&source.path().display().to_string(), source.size().unwrap_or_default());
        let sent = match &self.plan.host.cri {
            Cri::Containerd => containerd::import(self, source, base_name, &bar),
            Cri::CriO(programs) => crio::import(self, programs, source, base_name, &bar),
        };
        bar.finish_and_clear();
        self.print_imported(source, &sent?, started.elapsed().as_secs_f64())
    }

    /// Prints the imported images; one that is not in the store was not imported.
    fn print_imported(&self, source: &Source, sent: &Sent, seconds: f64) -> Result<()> {
        let printer = &self.session.printer;
        let list = self.list()?;
        let size = indicatif::BinaryBytes(sent.bytes);
        printer.result(&format!("{}  sha256:{}  {size}  {seconds:.1} s", source.path().display(), sent.sha256));
        for name in &sent.images {
            let Some(image) = list.iter().find(|image| &image.name == name) else {
                anyhow::bail!("{}: image {name} is not for this platform", source.path().display());
            };
            printer.result(&format!("  {name}  {}", image.digest));
            let archive = json!({ "path": source.path(), "sha256": sent.sha256, "bytes": sent.bytes });
            printer.object(&json!({ "name": name, "digest": image.digest, "archive": archive }));
            if name.ends_with(":latest") {
                printer.warn(&format!(
                    "{name}: the kubelet pulls :latest from the registry each time, unless the container has imagePullPolicy: \
                     IfNotPresent or Never; save the image with another tag, or set the policy"
                ));
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<StoredImage>> {
        match self.plan.host.cri {
            Cri::Containerd => containerd::list(self),
            Cri::CriO(_) => crio::list(self),
        }
    }

    fn pull(&self, name: &str) -> Result<()> {
        let printer = &self.session.printer;
        printer.note(&format!("pulling {name}"));
        let words = match &self.plan.host.cri {
            Cri::Containerd => image_store::pull_command(&self.bundle, name),
            Cri::CriO(programs) => programs.copy_command(&format!("docker://{name}"), name),
        };
        self.run(words, &format!("cannot pull {name}"))?;
        let image = self.list()?.into_iter().find(|image| image.name == name);
        let digest = image.map(|image| image.digest).unwrap_or_default();
        printer.result(&format!("{name}  {digest}"));
        printer.object(&json!({ "name": name, "digest": digest }));
        Ok(())
    }

    /// Runs a command inside the node; returns its standard output.
    fn run(&self, words: Vec<OsString>, otherwise: &str) -> Result<String> {
        let output = self.command(words).output().context("cannot enter the node")?;
        if !output.status.success() {
            return Err(self.command_failed(otherwise, &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// An error with the last line of a program's output as its cause.
    fn command_failed(&self, message: &str, output: &str) -> anyhow::Error {
        let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it ended without output");
        let reason = last.trim_start_matches("ctr: ").to_owned();
        let hint =
            format!("usernetes-rs{} logs {} shows more", self.session.cluster_flag(), self.plan.host.cri.component());
        Hinted::new(message, hint).caused_by(anyhow::anyhow!(reason))
    }
}
