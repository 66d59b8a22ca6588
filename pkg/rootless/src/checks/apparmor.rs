//! AppArmor of distributions that allow user namespaces only to programs with a profile.

use std::fs;
use std::path::Path;
use usernetes_host::Finding;

const CHECK: &str = "AppArmorUserns";

/// The restriction is off, or this process runs under a profile that allows user namespaces.
pub(super) fn check_userns(state_dir: &Path) -> Finding {
    let [restricted, label] =
        ["/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "/proc/self/attr/apparmor/current"]
            .map(|path| fs::read_to_string(path).unwrap_or_default());
    let program = std::env::current_exe().unwrap_or_default();
    restriction_finding(&restricted, &label, &program, state_dir)
}

fn restriction_finding(restricted: &str, label: &str, program: &Path, state_dir: &Path) -> Finding {
    // The label of a program without a profile is "unconfined"; the restriction holds for it.
    if restricted.trim() != "1" || !matches!(label.trim(), "unconfined" | "") {
        return Finding::passed(CHECK);
    }
    let message = format!("AppArmor does not allow {} to use user namespaces", program.display());
    Finding::error(CHECK, message, profile_hint(program, state_dir))
}

/// A profile for the program, which users may share, and one for the copies beside the state of each cluster. They are
/// separate because the kernel applies neither of two profiles that match one program.
fn profile_hint(program: &Path, state_dir: &Path) -> String {
    let clusters = state_dir.parent().unwrap_or(state_dir);
    let kept = clusters.join("*/bin/usernetes-rs");
    let profiles = render_profile(program, program) + &render_profile(clusters, &kept);
    profiles + "sudo systemctl reload apparmor"
}

/// The name of the profile is the path with dots, as is the custom.
fn render_profile(path: &Path, attachment: &Path) -> String {
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
        let find = |restricted, label| restriction_finding(restricted, label, program, state_dir);
        assert_eq!(find("", "").level, Level::Passed);
        assert_eq!(find("0\n", "unconfined\n").level, Level::Passed);
        assert_eq!(find("1\n", "usernetes-rs (unconfined)\n").level, Level::Passed);
        let finding = find("1\n", "unconfined\n");
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
