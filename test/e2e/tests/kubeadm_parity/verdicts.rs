//! `config validate`, ours beside kubeadm's, of every file in `configs`.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use usernetes_e2e::{Host, Machine, Testbed};

/// The reviewed verdicts: file, kubeadm's exit code, our class, and words that we print.
const EXPECTED: &str = include_str!("expected.tsv");
const KUBEADM: &str = "/srv/bundle/bin/kubeadm";

/// Files that kubeadm accepts and we refuse, with a reason that was reviewed.
const MOST_REFUSED: usize = 12;

/// What becomes of a file here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Accepted, and nothing is said.
    Honoured,
    /// Accepted; what has no effect is named.
    Noted,
    /// Refused with a reason.
    Refused,
}

/// All files of a directory below `configs`, by name.
fn read_files(below: &str) -> Result<Vec<(String, String)>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubeadm_parity/configs").join(below);
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_file() {
            let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
            files.push((Path::new(below).join(name).display().to_string(), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn judge(host: &Host, path: &str) -> Result<(Class, String)> {
    let output = host.tool(&["config", "validate", "--config", path]).output()?;
    let text = output.to_string();
    let class = match output.code() {
        Some(0) if text.contains("warning:") => Class::Noted,
        Some(0) => Class::Honoured,
        Some(3) => Class::Refused,
        code => anyhow::bail!("{path}: exit code {code:?}: {text}"),
    };
    // kubeadm's field, and yet a word of Rust, or no place: no user could act on it.
    ensure!(
        class == Class::Honoured || text.contains(".yaml:") || text.contains("kubernetesVersion"),
        "{path}: {text}"
    );
    ensure!(!text.contains("invalid type") && !text.contains("expected u"), "{path}: {text}");
    Ok((class, text))
}

/// Each file has the class of the table; what kubeadm accepts and we refuse is there for a reason that was reviewed.
pub(crate) fn files_have_their_reviewed_verdict(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let mut files = read_files("")?;
    files.extend(read_files("wrong")?);
    let (mut faults, mut counts) = (Vec::new(), BTreeMap::<Class, usize>::new());
    for (name, text) in &files {
        let path = host.write(&format!("configs/{name}"), text)?;
        let kubeadm = host.sh(&format!("{KUBEADM} config validate --config {path}")).output()?.code();
        let (class, text) = judge(host, &path)?;
        if kubeadm == Some(0) {
            *counts.entry(class).or_default() += 1;
        }
        let Some(row) = EXPECTED.lines().find(|row| row.split('\t').next() == Some(name)) else {
            faults.push(format!("{name}\t{}\t{class:?}\t is not in expected.tsv: {text}", kubeadm.unwrap_or(-1)));
            continue;
        };
        let [_, wanted_kubeadm, wanted_class, words] = row.split('\t').collect::<Vec<_>>()[..] else {
            anyhow::bail!("expected.tsv: {row:?} has not four columns");
        };
        let said = words.split("; ").filter(|words| !words.is_empty()).all(|words| text.contains(words));
        if kubeadm.map(|code| code.to_string()).as_deref() != Some(wanted_kubeadm)
            || format!("{class:?}") != wanted_class
            || !said
        {
            faults.push(format!("{row}\n  kubeadm {kubeadm:?}, {class:?}: {text}"));
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    ensure!(EXPECTED.lines().count() == files.len(), "expected.tsv has a row without a file");
    let refused = counts.get(&Class::Refused).copied().unwrap_or_default();
    ensure!(refused <= MOST_REFUSED, "of the files that kubeadm accepts: {counts:?}");
    Ok(())
}

/// `config print` with every kind, and `config migrate` of every file that kubeadm can migrate: what it writes has the class
/// of the file.
pub(crate) fn files_that_kubeadm_writes_are_accepted(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let address = host.address();
    let prints = [
        ("init", "init-defaults"),
        ("join", "join-defaults"),
        ("components", "init-defaults --component-configs KubeletConfiguration,KubeProxyConfiguration"),
        ("reset", "reset-defaults"),
        ("upgrade", "upgrade-defaults"),
    ];
    for (name, what) in prints {
        let file = format!("{}/{name}.yaml", host.home());
        host.sh(&format!("{KUBEADM} config print {what} | sed 's/1.2.3.4/{address}/' > {file}")).ok()?;
        let (class, text) = judge(host, &file)?;
        ensure!(class != Class::Refused, "{what}: {text}");
    }
    host.tool(&["preflight", "--bundle", "/srv/bundle", "--config", &format!("{}/init.yaml", host.home())]).ok()?;
    let mut migrated = 0;
    for (name, text) in read_files("")? {
        let (old, new) = (host.write(&format!("old/{name}"), &text)?, format!("{}/new-{name}", host.home()));
        let before = judge(host, &old)?.0;
        if host.sh(&format!("{KUBEADM} config migrate --old-config {old} --new-config {new}")).output()?.code()
            != Some(0)
        {
            continue;
        }
        migrated += 1;
        let (class, text) = judge(host, &new)?;
        ensure!((class == Class::Refused) == (before == Class::Refused), "{name}: {before:?} before, then: {text}");
    }
    ensure!(migrated > 30, "kubeadm migrated {migrated} files only");
    Ok(())
}
