//! Makes a bundle from what upstream projects release.
