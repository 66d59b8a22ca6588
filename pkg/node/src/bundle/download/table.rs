//! The table of upstream releases: versions, URLs, checksums, and the files of the bundle.
//!
//! In templates `{v}` is the version, `{n}` the version without its `v`, `{a}` the architecture.

use usernetes_api::bundle::BundleImage;

/// A released file of an upstream project.
pub(crate) struct Artifact {
    /// Name of the component in the manifest.
    pub(crate) component: &'static str,
    /// Version of the component; the Kubernetes version if `None`.
    version: Option<&'static str>,
    /// Template of the URL.
    url: &'static str,
    /// Where the checksum is published.
    pub(crate) checksum: Checksum,
    /// The files of the bundle that it provides.
    pub(crate) content: Content,
}

/// Where the checksum of an artifact is published.
pub(crate) enum Checksum {
    /// At the artifact's URL with this suffix.
    Suffix(&'static str),
    /// In a list of this name in the same directory.
    List(&'static str),
    /// Not published: the lock file has the checksum of the first download.
    Unpublished,
}

/// The files of the bundle that an artifact provides.
pub(crate) enum Content {
    /// A program; its path in the bundle.
    Program(&'static str),
    /// An archive; pairs of a member (template) and its path in the bundle.
    Archive(&'static [(&'static str, &'static str)]),
    /// A docker archive; name of the image and path in the bundle.
    Image(&'static str, &'static str),
}

const fn kubernetes_program(url: &'static str, to: &'static str) -> Artifact {
    let (checksum, content) = (Checksum::Suffix(".sha256"), Content::Program(to));
    Artifact { component: "kubernetes", version: None, url, checksum, content }
}

/// All artifacts of a bundle.
pub(crate) static ARTIFACTS: [Artifact; 12] = [
    kubernetes_program("https://dl.k8s.io/release/{v}/bin/linux/{a}/kubelet", "bin/kubelet"),
    kubernetes_program("https://dl.k8s.io/release/{v}/bin/linux/{a}/kube-apiserver", "bin/kube-apiserver"),
    kubernetes_program(
        "https://dl.k8s.io/release/{v}/bin/linux/{a}/kube-controller-manager",
        "bin/kube-controller-manager",
    ),
    kubernetes_program("https://dl.k8s.io/release/{v}/bin/linux/{a}/kube-scheduler", "bin/kube-scheduler"),
    kubernetes_program("https://dl.k8s.io/release/{v}/bin/linux/{a}/kubectl", "bin/kubectl"),
    Artifact {
        component: "kubernetes",
        version: None,
        url: "https://dl.k8s.io/release/{v}/bin/linux/{a}/kube-proxy.tar",
        checksum: Checksum::Suffix(".sha256"),
        content: Content::Image("kube-proxy", "images/kube-proxy.tar"),
    },
    Artifact {
        component: "etcd",
        version: Some("v3.6.8"),
        url: "https://github.com/etcd-io/etcd/releases/download/{v}/etcd-{v}-linux-{a}.tar.gz",
        checksum: Checksum::List("SHA256SUMS"),
        content: Content::Archive(&[("etcd-{v}-linux-{a}/etcd", "bin/etcd")]),
    },
    Artifact {
        component: "containerd",
        version: Some("v2.3.7"),
        url: "https://github.com/containerd/containerd/releases/download/{v}/containerd-static-{n}-linux-{a}.tar.gz",
        checksum: Checksum::Suffix(".sha256sum"),
        content: Content::Archive(&[
            ("bin/containerd", "bin/containerd"),
            ("bin/containerd-shim-runc-v2", "bin/containerd-shim-runc-v2"),
            ("bin/ctr", "bin/ctr"),
        ]),
    },
    Artifact {
        component: "runc",
        version: Some("v1.5.2"),
        url: "https://github.com/opencontainers/runc/releases/download/{v}/runc.{a}",
        checksum: Checksum::List("runc.sha256sum"),
        content: Content::Program("bin/runc"),
    },
    Artifact {
        component: "cni-plugins",
        version: Some("v1.9.1"),
        url: "https://github.com/containernetworking/plugins/releases/download/{v}/cni-plugins-linux-{a}-{v}.tgz",
        checksum: Checksum::Suffix(".sha256"),
        content: Content::Archive(&[
            ("bridge", "cni/bridge"),
            ("host-local", "cni/host-local"),
            ("loopback", "cni/loopback"),
            ("portmap", "cni/portmap"),
        ]),
    },
    Artifact {
        component: "flannel-cni-plugin",
        version: Some("v1.6.2-flannel1"),
        url: "https://github.com/flannel-io/cni-plugin/releases/download/{v}/cni-plugin-flannel-linux-{a}-{v}.tgz",
        checksum: Checksum::Suffix(".sha256"),
        content: Content::Archive(&[("flannel-{a}", "cni/flannel")]),
    },
    Artifact {
        component: "flannel",
        version: Some("v0.26.7"),
        url: "https://github.com/flannel-io/flannel/releases/download/{v}/flanneld-{v}-{a}.docker",
        checksum: Checksum::Unpublished,
        content: Content::Image("flannel", "images/flannel.tar"),
    },
];

/// Names and references of images that no project releases as an archive: the runtime pulls them.
const PULLED: [(&str, &str); 3] = [
    ("busybox", "docker.io/library/busybox:1.37"),
    ("coredns", "registry.k8s.io/coredns/coredns:v1.14.2"),
    ("pause", "registry.k8s.io/pause:3.10.2"),
];

/// The images without an archive, as entries of the manifest.
pub(crate) fn pulled_images() -> impl Iterator<Item = BundleImage> {
    PULLED.iter().map(|&(name, reference)| BundleImage { name: name.into(), reference: reference.into(), path: None })
}

/// Values of the templates.
pub(crate) struct Release<'a> {
    pub(crate) kubernetes: &'a str,
    pub(crate) architecture: &'a str,
}

impl Artifact {
    /// Version of the artifact.
    pub(crate) fn version<'a>(&self, release: &Release<'a>) -> &'a str {
        self.version.unwrap_or(release.kubernetes)
    }

    /// Replaces the placeholders of a template of this artifact.
    pub(crate) fn fill_template(&self, template: &str, release: &Release<'_>) -> String {
        let version = self.version(release);
        let number = version.strip_prefix('v').unwrap_or(version);
        template.replace("{v}", version).replace("{n}", number).replace("{a}", release.architecture)
    }

    /// Upstream's URL of the artifact.
    pub(crate) fn url(&self, release: &Release<'_>) -> String {
        self.fill_template(self.url, release)
    }

    /// Upstream's URL of the file with the checksum; `None` if none is published.
    pub(crate) fn checksum_url(&self, release: &Release<'_>) -> Option<String> {
        let url = self.url(release);
        match self.checksum {
            Checksum::Suffix(suffix) => Some(url + suffix),
            Checksum::List(name) => url.rsplit_once('/').map(|(directory, _)| format!("{directory}/{name}")),
            Checksum::Unpublished => None,
        }
    }
}

/// The last component of a URL.
pub(crate) fn file_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_as_upstream_lays_them_out() {
        let release = Release { kubernetes: "v1.36.3", architecture: "amd64" };
        let urls: Vec<String> = ARTIFACTS
            .iter()
            .map(|artifact| {
                format!("{}\n  {}", artifact.url(&release), artifact.checksum_url(&release).unwrap_or_default())
            })
            .collect();
        insta::assert_snapshot!(urls.join("\n"), @r#"
    https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet
      https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet.sha256
    https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-apiserver
      https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-apiserver.sha256
    https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-controller-manager
      https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-controller-manager.sha256
    https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-scheduler
      https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-scheduler.sha256
    https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubectl
      https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubectl.sha256
    https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-proxy.tar
      https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-proxy.tar.sha256
    https://github.com/etcd-io/etcd/releases/download/v3.6.8/etcd-v3.6.8-linux-amd64.tar.gz
      https://github.com/etcd-io/etcd/releases/download/v3.6.8/SHA256SUMS
    https://github.com/containerd/containerd/releases/download/v2.3.7/containerd-static-2.3.7-linux-amd64.tar.gz
      https://github.com/containerd/containerd/releases/download/v2.3.7/containerd-static-2.3.7-linux-amd64.tar.gz.sha256sum
    https://github.com/opencontainers/runc/releases/download/v1.5.2/runc.amd64
      https://github.com/opencontainers/runc/releases/download/v1.5.2/runc.sha256sum
    https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz
      https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz.sha256
    https://github.com/flannel-io/cni-plugin/releases/download/v1.6.2-flannel1/cni-plugin-flannel-linux-amd64-v1.6.2-flannel1.tgz
      https://github.com/flannel-io/cni-plugin/releases/download/v1.6.2-flannel1/cni-plugin-flannel-linux-amd64-v1.6.2-flannel1.tgz.sha256
    https://github.com/flannel-io/flannel/releases/download/v0.26.7/flanneld-v0.26.7-amd64.docker
    "#);
    }
}
