//! `support`: one archive for a bug report. What it has is a table; every text goes through [`redact::redact`].

mod redact;
mod sources;

use crate::errors::Hinted;
use crate::session::Session;
use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct SupportArgs {
    /// Archive to write [default: usernetes-rs-support-CLUSTER-TIME.tar.gz in this directory]
    file: Option<PathBuf>,
}

pub(crate) fn run(session: &Session, args: &SupportArgs) -> Result<ExitCode> {
    let name = format!(
        "usernetes-rs-support-{}-{}",
        session.paths().cluster,
        jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ")
    );
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    let file = create(&path)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    session.printer.note("collecting preflight, status, logs, events and the state of the network");
    let entries = runtime.block_on(sources::collect(session));
    let count = entries.len();
    write_archive(file, &name, entries).with_context(|| format!("cannot write {}", path.display()))?;
    session.printer.object(&serde_json::json!({ "archive": path, "files": count }));
    session.printer.result(&format!(
        "{}: {count} files; keys, tokens and passwords are left out. Read it before you share it: names and addresses are in it",
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// A new file that only the user may read.
fn create(path: &Path) -> Result<File> {
    let opened = File::options().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| {
        let message = format!("cannot make {}", path.display());
        Hinted::new(message, "name a new file in a directory of yours: usernetes-rs support FILE").caused_by(error)
    })
}

fn write_archive(file: File, directory: &str, entries: Vec<sources::Entry>) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for sources::Entry { name, text } in entries {
        let text = redact::redact(&text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0));
        archive.append_data(&mut header, format!("{directory}/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}
