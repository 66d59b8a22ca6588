//! Finding what is tested: the program and a bundle.

use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::At;

/// Where a host sees the bundle.
pub(crate) const BUNDLE: &str = "/srv/bundle";

/// The program and the bundle under test, as far as they are there.
pub(crate) struct Artifacts {
    pub(crate) program: Option<PathBuf>,
    pub(crate) bundle: Option<PathBuf>,
}

impl Artifacts {
    pub(crate) fn find() -> Self {
        Self { program: program().ok(), bundle: bundle().ok() }
    }
}

/// `U7S_BIN`, else the release build, else the debug build beside this test.
pub(crate) fn program() -> Result<PathBuf> {
    if let Some(given) = env::var_os("U7S_BIN") {
        return fs::canonicalize(&given).with_context(|| format!("U7S_BIN is {}", given.display()));
    }
    let me = env::current_exe()?;
    let profile =
        me.ancestors().find(|d| d.ends_with("deps")).and_then(Path::parent).context("not in a target directory")?;
    let triple = profile.parent().context("not in a target directory")?;
    let candidates = [triple.join("release/usernetes-rs"), triple.join("debug/usernetes-rs")];
    match candidates.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => bail!("no usernetes-rs in {}: cargo build --release", triple.display()),
    }
}

/// `U7S_BUNDLE`, else what `hack/bundle` made last.
pub(crate) fn bundle() -> Result<PathBuf> {
    let given = env::var_os("U7S_BUNDLE").map(PathBuf::from);
    let built = env::var_os("HOME").map(|home| Path::new(&home).join(".cache/usernetes-dev/bundle/current"));
    let path = given.or(built).context("neither U7S_BUNDLE nor HOME is set")?;
    let path = fs::canonicalize(&path).with_context(|| format!("no bundle at {}: hack/bundle", path.display()))?;
    ensure!(path.join("bundle.yaml").is_file(), "{} has no bundle.yaml", path.display());
    readable(&path)?;
    Ok(path)
}

/// The directory of CRI-O: `U7S_CRIO`, else what `hack/crio` made last.
pub(crate) fn crio() -> Result<PathBuf> {
    let given = env::var_os("U7S_CRIO").map(PathBuf::from);
    let built = env::var_os("HOME").map(|home| Path::new(&home).join(".cache/usernetes-dev/crio/current"));
    let path = given.or(built).context("neither U7S_CRIO nor HOME is set")?;
    for program in ["crio", "pinns"] {
        ensure!(path.join(program).is_file(), "no {program} in {}: hack/crio", path.display());
    }
    Ok(path)
}

/// CRI-O where an administrator would put it; conmon and skopeo are of the host's distribution.
pub fn install_crio<'a>(at: impl Into<At<'a>>) -> Result<()> {
    let (at, directory) = (at.into(), crio()?);
    for program in ["crio", "pinns"] {
        let file = fs::read(directory.join(program)).context("cannot read what hack/crio built")?;
        let script = format!("cat > /usr/local/bin/{program}; chmod 755 /usr/local/bin/{program}");
        at.sh(&script).root().input(file).ok()?;
    }
    Ok(())
}

/// Hosts see the directory through a mount, so only what is in it counts, not the directories above it.
fn readable(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let mode = fs::metadata(entry.path())?.permissions().mode();
        ensure!(mode & 0o004 != 0, "an ordinary user cannot read {} of the bundle", entry.path().display());
        if entry.file_type()?.is_dir() {
            readable(&entry.path())?;
        }
    }
    Ok(())
}
