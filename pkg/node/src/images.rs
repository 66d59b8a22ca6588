//! Puts the image archives of the bundle into containerd.
