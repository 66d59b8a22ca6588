//! Images that users bring.

use anyhow::{Result, ensure};
use usernetes_e2e::{IMAGE, Machine, Namespace, Scenario, Testbed, pod};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::shared("images_come_and_go", images_come_and_go)]
}

/// Makes app.tar, a docker-archive of `app:latest`, from the bundle's busybox.
const LATEST: &str = r#"
rm -rf app && mkdir app && tar -xf /srv/bundle/images/busybox.tar -C app
sed -i 's|"RepoTags":\[[^]]*\]|"RepoTags":["app:latest"]|' app/manifest.json
sed -i 's|"created":"[^"]*"|"created":"2001-01-01T00:00:00Z"|' app/*.json
config=$(ls app/*.json | grep -v manifest.json)
sum=$(sha256sum < "$config" | cut -d' ' -f1)
sed -i "s|\"Config\":\"[^\"]*\"|\"Config\":\"$sum.json\"|" app/manifest.json
mv "$config" "app/$sum.json"
tar -cf app.tar -C app .
"#;

fn images_come_and_go(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let name = "docker.io/library/app:latest";
    host.sh(LATEST).ok()?;
    host.tool(&["images", "import", "app.tar"]).ok()?.says(&[name, "warning", "imagePullPolicy"])?;
    let namespace = Namespace::new(host, "images")?;
    let on_host = format!("  nodeName: {}", host.name());
    namespace.apply(&pod("app", "sleep 600", &on_host).replace(IMAGE, "app"))?;
    namespace.ready(&["pod/app"])?;
    let inspected = host.tool(&["images", "inspect", "app"]).ok()?.json()?;
    ensure!(inspected["repoTags"][0] == name, "{inspected}");
    ensure!(inspected["info"]["imageSpec"]["architecture"].is_string(), "{inspected}");
    let remove = |image: &str| host.tool(&["images", "remove", image]).output();
    remove("app")?.exits(1)?.says(&["in use by pod images/app", "kubectl delete pod -n images app"])?;
    remove(IMAGE)?.exits(1)?.says(&["one of the bundle's"])?;
    remove("no-such-image")?.exits(1)?.says(&["library/no-such-image:latest is not on this host", "images list"])?;
    remove("no such image")?.exits(1)?.says(&["is not the name of an image"])?;
    host.tool(&["images", "prune", "--force"]).ok()?.says(&["no image to remove"])?;
    namespace.kubectl(&["delete", "pod", "app", "--now"])?;
    host.until("the pod's container is gone", 30, |host| {
        Ok(host
            .tool(&["images", "rm", "app"])
            .output()?
            .ok()
            .is_ok_and(|output| output.says(&["removed", name]).is_ok()))
    })?;
    host.tool(&["images", "list"]).ok()?.says(&[IMAGE])?.says_not(&[name])?;
    // As pulled ones, not pinned.
    let ctr =
        "/srv/bundle/bin/ctr --address /run/containerd/containerd.sock --namespace k8s.io images import ~/app.tar";
    host.sh(&format!("usernetes-rs shell -- {ctr}")).ok()?;
    let prune = host.tool(&["images", "prune"]).input("n\n").output()?;
    prune.exits(1)?.says(&[name, "[y/N]", "pass --force"])?.says_not(&[IMAGE])?;
    host.tool(&["images", "prune"]).input("y\n").ok()?.says(&["removed", name])?;
    host.tool(&["images", "inspect", "app"]).output()?.exits(1).map(drop)
}
