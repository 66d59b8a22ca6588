//! Volumes of every kind that needs no driver.

use anyhow::{Result, ensure};
use usernetes_e2e::{Machine, Namespace, Testbed, pod};

pub(crate) fn config_volumes(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "config-volumes")?;
    namespace.kubectl(&["create", "configmap", "settings", "--from-literal=colour=blue"])?;
    namespace.kubectl(&["create", "secret", "generic", "pass", "--from-literal=word=s3cret"])?;
    let more = "  volumes:
  - {name: settings, configMap: {name: settings}}
  - {name: pass, secret: {secretName: pass, defaultMode: 0400}}
  - name: about
    downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
  - name: all
    projected:
      sources:
      - configMap: {name: settings}
      - secret: {name: pass}
      - serviceAccountToken: {path: token, audience: somebody, expirationSeconds: 600}
      - downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: main, resource: limits.cpu}}]}";
    let rest = "    resources: {limits: {cpu: '1', memory: 64Mi}}
    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: pass, key: word}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    volumeMounts:
    - {name: settings, mountPath: /v/settings}
    - {name: pass, mountPath: /v/pass}
    - {name: about, mountPath: /v/about}
    - {name: all, mountPath: /v/all}
";
    namespace.apply(&(pod("main", "sleep 3600", more) + rest))?;
    namespace.ready(&["pod/main"])?;
    let read = namespace.sh("main", "cd /v; cat settings/colour pass/word; echo; cat about/labels; echo; cat all/colour all/word all/cpu; echo; test -s all/token; stat -L -c %a pass/word; echo $COLOUR $WORD $NODE $HOST")?;
    let expected = "blues3cret\napp=\"main\"\nblues3cret1\n400\nblue s3cret host1 198.51.100.11";
    ensure!(read == expected, "{read}");
    Ok(())
}

pub(crate) fn empty_dirs(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "empty-dirs")?;
    let more = "  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 8Mi}}";
    let rest = "    volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
  - name: other
    image: docker.io/library/busybox:1.35.0
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'sleep 3600']
    volumeMounts: [{name: disk, mountPath: /disk}]
";
    namespace.apply(&(pod("main", "echo shared > /disk/file; sleep 3600", more) + rest))?;
    namespace.ready(&["pod/main"])?;
    let shared = namespace.kubectl(&["exec", "main", "-c", "other", "--", "cat", "/disk/file"])?;
    ensure!(shared.text() == "shared", "{shared}");
    let memory = namespace
        .sh("main", "grep ' /memory ' /proc/mounts; head -c 9000000 /dev/zero > /memory/big 2>&1 || echo full")?;
    ensure!(memory.starts_with("tmpfs ") && memory.ends_with("full"), "{memory}");
    Ok(())
}

pub(crate) fn host_path(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "host-path")?;
    host.sh("mkdir -p ~/shared; echo from the host > ~/shared/in").ok()?;
    let more = "  volumes:
  - {name: home, hostPath: {path: /home/alice/shared, type: Directory}}
  - {name: made, hostPath: {path: /home/alice/made, type: DirectoryOrCreate}}";
    let rest = "    volumeMounts: [{name: home, mountPath: /home}, {name: made, mountPath: /made}]\n";
    namespace.apply(&(pod("main", "echo from the pod > /home/out; touch /made/file; sleep 3600", more) + rest))?;
    namespace.ready(&["pod/main"])?;
    ensure!(namespace.sh("main", "cat /home/in")? == "from the host");
    // Root in the pod is the user on the host: what it writes is the user's.
    let written = host.sh("cat ~/shared/out; stat -c %U ~/shared/out ~/made/file; rm -r ~/shared/out").ok()?;
    ensure!(written.text() == "from the pod\nalice\nalice", "{written}");
    Ok(())
}

pub(crate) fn local_volume(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "local-volume")?;
    host.sh("mkdir -p ~/volume").ok()?;
    namespace.apply(
        "apiVersion: v1
kind: PersistentVolume
metadata: {name: local-volume}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: by-hand
  local: {path: /home/alice/volume}
  nodeAffinity:
    required:
      nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [host1]}]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: by-hand
  resources: {requests: {storage: 1Gi}}
",
    )?;
    let more = "  securityContext: {fsGroup: 2000}
  volumes: [{name: data, persistentVolumeClaim: {claimName: claim}}]";
    let rest = "    volumeMounts: [{name: data, mountPath: /data}]\n";
    namespace.apply(&(pod("first", "echo kept > /data/file; sleep 3600", more) + rest))?;
    namespace.ready(&["pod/first"])?;
    namespace.wait("jsonpath={.status.phase}=Bound", &["pvc/claim"])?;
    namespace.kubectl(&["delete", "pod", "first"])?;
    namespace.apply(&(pod("second", "sleep 3600", more) + rest))?;
    namespace.ready(&["pod/second"])?;
    ensure!(namespace.sh("second", "cat /data/file")? == "kept");
    ensure!(namespace.sh("second", "stat -c %g /data")? == "2000", "fsGroup is not applied");
    namespace.kubectl(&["delete", "pod", "second"])?;
    namespace.kubectl(&["delete", "pvc/claim", "pv/local-volume"]).map(drop)
}

/// They wait for ever; the Event says why, and what to do instead.
pub(crate) fn network_volumes_are_refused(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "network-volumes")?;
    namespace.apply(
        "apiVersion: v1
kind: PersistentVolume
metadata: {name: nas}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  storageClassName: nas
  nfs: {server: 203.0.113.99, path: /claimed}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: nas
  resources: {requests: {storage: 1Gi}}
",
    )?;
    let more = "  volumes:
  - {name: share, nfs: {server: 203.0.113.99, path: /export}}
  - {name: disk, iscsi: {targetPortal: '203.0.113.99:3260', iqn: 'iqn.2001-04.example:disk', lun: 1}}
  - {name: claimed, persistentVolumeClaim: {claimName: claim}}
  - {name: fine, emptyDir: {}}";
    let rest = "    volumeMounts: [{name: share, mountPath: /share}, {name: claimed, mountPath: /claimed}]\n";
    namespace.apply(&(pod("main", "sleep 3600", more) + rest))?;
    let events = || {
        let words =
            ["get", "events", "--field-selector=reason=VolumeNotSupported", "-o", "jsonpath={.items[*].message}"];
        Ok::<_, anyhow::Error>(namespace.kubectl(&words)?.text().to_owned())
    };
    let parts = [
        "volume share is an NFS share (203.0.113.99:/export)",
        "volume disk is an iSCSI disk",
        "(203.0.113.99:/claimed)",
    ];
    testbed.host().until("every network volume is told", 30, |_| {
        let events = events()?;
        Ok(parts.iter().all(|part| events.contains(part)))
    })?;
    let told = events()?;
    ensure!(told.contains("hostPath") && !told.contains("fine"), "{told}");
    namespace.kubectl(&["delete", "pod/main", "--grace-period=0", "--force"])?;
    namespace.kubectl(&["delete", "pvc/claim", "pv/nas"]).map(drop)
}

/// A privileged pod mounts something below a shared volume; another pod sees it.
pub(crate) fn mounts_propagate(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "mounts-propagate")?;
    host.sh("mkdir -p ~/propagated").ok()?;
    let more = "  volumes: [{name: tree, hostPath: {path: /home/alice/propagated}}]";
    let giver = "    securityContext: {privileged: true}
    volumeMounts: [{name: tree, mountPath: /tree, mountPropagation: Bidirectional}]
";
    let taker = "    volumeMounts: [{name: tree, mountPath: /tree, mountPropagation: HostToContainer}]\n";
    let script =
        "mkdir -p /tree/sub; mount -t tmpfs tmpfs /tree/sub; echo seen > /tree/sub/file; touch /done; sleep 3600";
    namespace.apply(&(pod("taker", "sleep 3600", more) + taker))?;
    namespace.ready(&["pod/taker"])?;
    namespace.apply(&(pod("giver", script, more) + giver))?;
    namespace.ready(&["pod/giver"])?;
    host.until("the mount is seen in the other pod", 20, |_| {
        Ok(namespace.sh("taker", "cat /tree/sub/file 2>/dev/null || true")? == "seen")
    })?;
    namespace.sh("giver", "umount /tree/sub").map(drop)
}
