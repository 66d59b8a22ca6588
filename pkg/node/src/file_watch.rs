//! Waits for a file to appear, by inotify.
