//! Failures for want of this process's own means, which are no failure of the component that is started or probed.

use nix::errno::Errno;
use std::error::Error;
use std::io;

/// Whether an error, or one that it is caused by, is about descriptors, memory, ports, processes or watches that this
/// process lacks now.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    has_errno(error, is_resource)
}

/// As [`is_shortage`], for the start of a process: `EAGAIN` is the limit of processes there.
pub(crate) fn is_shortage_at_start(error: &io::Error) -> bool {
    has_errno(error, |errno| errno == Errno::EAGAIN || is_resource(errno))
}

fn is_resource(errno: Errno) -> bool {
    use Errno::{EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC};
    // ENOSPC: watches of inotify, or the disk of a log.
    [EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, ENOSPC].contains(&errno)
}

fn has_errno(error: &io::Error, matches: impl Fn(Errno) -> bool) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.and_then(io::Error::raw_os_error).is_some_and(|errno| matches(Errno::from_raw(errno))) {
            return true;
        }
        // The cause of a wrapped error is that error's cause, so the wrapped one itself is looked at first.
        let wrapped = io.and_then(io::Error::get_ref).map(|wrapped| wrapped as &(dyn Error + 'static));
        next = wrapped.or_else(|| error.source());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read a key")]
    struct Unreadable(#[source] io::Error);

    #[test]
    fn shortage_is_found_below_other_errors() {
        let of = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EADDRNOTAVAIL] {
            assert!(is_shortage(&of(errno)), "{errno}");
            assert!(is_shortage(&io::Error::other(Unreadable(of(errno)))), "{errno}");
            assert!(is_shortage(&io::Error::other(io::Error::other(of(errno)))), "{errno}");
        }
        for errno in [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ENOENT, Errno::EACCES, Errno::ENOEXEC] {
            assert!(!is_shortage_at_start(&of(errno)), "{errno}");
        }
        assert!(!is_shortage(&io::Error::from(io::ErrorKind::TimedOut)));
        // A full accept queue of a hung server answers EAGAIN to a probe; fork answers so at the limit of processes.
        assert!(!is_shortage(&of(Errno::EAGAIN)) && is_shortage_at_start(&of(Errno::EAGAIN)));
    }
}
