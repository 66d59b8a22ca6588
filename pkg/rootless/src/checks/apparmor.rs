//! Distributions that let only named programs make user namespaces.

use std::fs;
use std::path::Path;
use usernetes_host::Finding;

const CHECK: &str = "AppArmorUserns";

/// Passed where the restriction is off, or where this process runs under a profile that allows it.
pub(super) fn userns() -> Finding {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let label = read("/proc/self/attr/apparmor/current");
    let program = std::env::current_exe().unwrap_or_default();
    judge(&restricted, &label, &program)
}

fn judge(restricted: &str, label: &str, program: &Path) -> Finding {
    // Without a profile of its own a program's label is just "unconfined", and then the restriction holds.
    if restricted.trim() != "1" || !matches!(label.trim(), "unconfined" | "") {
        return Finding::passed(CHECK);
    }
    let message = format!("AppArmor keeps {} from using user namespaces", program.display());
    Finding::error(CHECK, message, cure(program))
}

fn cure(program: &Path) -> String {
    format!(
        "sudo tee /etc/apparmor.d/usernetes-rs >/dev/null <<'EOF' && sudo systemctl reload apparmor\n\
         abi <abi/4.0>,\n\
         include <tunables/global>\n\
         profile usernetes-rs \"{}\" flags=(unconfined) {{\n  userns,\n  include if exists <local/usernetes-rs>\n}}\n\
         EOF",
        program.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_host::Level;

    #[test]
    fn the_profile_names_our_program() {
        let program = Path::new("/home/alice/bin/usernetes-rs");
        assert_eq!(judge("", "", program).level, Level::Passed);
        assert_eq!(judge("0\n", "unconfined\n", program).level, Level::Passed);
        assert_eq!(judge("1\n", "usernetes-rs (unconfined)\n", program).level, Level::Passed);
        let finding = judge("1\n", "unconfined\n", program);
        insta::assert_snapshot!(finding.cure.expect("a cure"), @r#"
        sudo tee /etc/apparmor.d/usernetes-rs >/dev/null <<'EOF' && sudo systemctl reload apparmor
        abi <abi/4.0>,
        include <tunables/global>
        profile usernetes-rs "/home/alice/bin/usernetes-rs" flags=(unconfined) {
          userns,
          include if exists <local/usernetes-rs>
        }
        EOF
        "#);
    }
}
