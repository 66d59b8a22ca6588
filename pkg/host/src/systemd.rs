//! The user's service manager: `systemctl --user`, units. (Written by the host helper.)
