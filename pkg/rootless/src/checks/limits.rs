//! Limits of the kernel on what one user may have.

use std::fs;
use usernetes_host::Finding;

/// Session keyrings: the runtime makes one for every container.
const KEYS: u64 = 1000;
/// inotify: the kubelet and every container that watches files need some.
const INSTANCES: u64 = 512;
const WATCHES: u64 = 524_288;

pub(super) fn keyring() -> Finding {
    let settings = [("kernel.keys.maxkeys", KEYS), ("kernel.keys.maxbytes", KEYS * 25)];
    at_least("Keyring", &settings, "about half as many containers as keys can run")
}

pub(super) fn inotify() -> Finding {
    let settings = [("fs.inotify.max_user_instances", INSTANCES), ("fs.inotify.max_user_watches", WATCHES)];
    at_least("Inotify", &settings, "programs that watch files may fail with \"too many open files\"")
}

fn at_least(check: &str, settings: &[(&str, u64)], consequence: &str) -> Finding {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap_or_default();
    let present: Vec<_> = settings.iter().map(|(name, wanted)| (*name, read(name), *wanted)).collect();
    judge(check, &present, consequence)
}

/// A setting that cannot be read, or is no number, is not complained about.
fn judge(check: &str, settings: &[(&str, String, u64)], consequence: &str) -> Finding {
    let low: Vec<_> =
        settings.iter().filter(|(_, is, wanted)| is.trim().parse().is_ok_and(|is: u64| is < *wanted)).collect();
    if low.is_empty() {
        return Finding::passed(check);
    }
    let is = low.iter().map(|(name, is, _)| format!("{name} is {}", is.trim())).collect::<Vec<_>>().join(", ");
    let lines = low.iter().map(|(name, _, wanted)| format!("{name}={wanted}")).collect::<Vec<_>>().join("\\n");
    let cure = format!(
        "printf '{lines}\\n' | sudo tee /etc/sysctl.d/99-{}.conf && sudo sysctl --system",
        check.to_lowercase()
    );
    Finding::warning(check, format!("{is}: {consequence}"), cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use usernetes_host::Level;

    #[test]
    fn only_what_is_too_low_is_named() {
        let settings =
            [("fs.a", "128\n".to_owned(), 512), ("fs.b", "1000".to_owned(), 512), ("fs.c", String::new(), 1)];
        let finding = judge("Inotify", &settings, "it may fail");
        insta::assert_snapshot!(finding.message, @"fs.a is 128: it may fail");
        insta::assert_snapshot!(
            finding.cure.expect("a cure"),
            @r"printf 'fs.a=512\n' | sudo tee /etc/sysctl.d/99-inotify.conf && sudo sysctl --system"
        );
        assert_eq!(judge("Inotify", &settings[1..], "").level, Level::Passed);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = judge("Keyring", &[("a", text, 1)], "");
        }
    }
}
