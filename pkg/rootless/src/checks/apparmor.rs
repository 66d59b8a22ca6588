//! Distributions that let only named programs make user namespaces.

use std::fs;
use std::path::Path;
use usernetes_host::Finding;

const CHECK: &str = "AppArmorUserns";

/// Passed where the restriction is off, or where this process runs under a profile that allows it.
pub(super) fn userns(state_dir: &Path) -> Finding {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let label = read("/proc/self/attr/apparmor/current");
    let program = std::env::current_exe().unwrap_or_default();
    judge(&restricted, &label, &program, state_dir)
}

fn judge(restricted: &str, label: &str, program: &Path, state_dir: &Path) -> Finding {
    // Without a profile of its own a program's label is just "unconfined", and then the restriction holds.
    if restricted.trim() != "1" || !matches!(label.trim(), "unconfined" | "") {
        return Finding::passed(CHECK);
    }
    let message = format!("AppArmor keeps {} from using user namespaces", program.display());
    Finding::error(CHECK, message, cure(program, state_dir))
}

/// A profile for the program, which users may share, and one for the copies of it that are kept beside each cluster's
/// state: of two profiles for one program the kernel takes neither.
fn cure(program: &Path, state_dir: &Path) -> String {
    let clusters = state_dir.parent().unwrap_or(state_dir);
    let kept = clusters.join("*/bin/usernetes-rs");
    let profiles = profile(program, program) + &profile(clusters, &kept);
    profiles + "sudo systemctl reload apparmor"
}

/// Called, as is the custom, by the path with dots.
fn profile(path: &Path, attachment: &Path) -> String {
    let name = path.display().to_string().trim_start_matches('/').replace('/', ".");
    format!(
        "sudo tee /etc/apparmor.d/{name} >/dev/null <<'EOF'\n\
         abi <abi/4.0>,\n\
         include <tunables/global>\n\
         profile {name} \"{}\" flags=(unconfined) {{\n  userns,\n}}\n\
         EOF\n",
        attachment.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_host::Level;

    #[test]
    fn the_profile_names_our_program() {
        let program = Path::new("/usr/local/bin/usernetes-rs");
        let state_dir = Path::new("/home/alice/.local/share/usernetes/default");
        let judge = |restricted, label| judge(restricted, label, program, state_dir);
        assert_eq!(judge("", "").level, Level::Passed);
        assert_eq!(judge("0\n", "unconfined\n").level, Level::Passed);
        assert_eq!(judge("1\n", "usernetes-rs (unconfined)\n").level, Level::Passed);
        let finding = judge("1\n", "unconfined\n");
        insta::assert_snapshot!(finding.hint.expect("a hint"), @r#"
        sudo tee /etc/apparmor.d/usr.local.bin.usernetes-rs >/dev/null <<'EOF'
        abi <abi/4.0>,
        include <tunables/global>
        profile usr.local.bin.usernetes-rs "/usr/local/bin/usernetes-rs" flags=(unconfined) {
          userns,
        }
        EOF
        sudo tee /etc/apparmor.d/home.alice..local.share.usernetes >/dev/null <<'EOF'
        abi <abi/4.0>,
        include <tunables/global>
        profile home.alice..local.share.usernetes "/home/alice/.local/share/usernetes/*/bin/usernetes-rs" flags=(unconfined) {
          userns,
        }
        EOF
        sudo systemctl reload apparmor
        "#);
    }
}
