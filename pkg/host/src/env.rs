//! Who we are and what the environment says. (Completed with host facts by the host helper.)
