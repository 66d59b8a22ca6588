//! A Kubernetes namespace for one scenario on a shared cluster.

use anyhow::Result;

use crate::command::output::Output;
use crate::command::{At, Run};

/// A Kubernetes namespace, removed in the background when dropped.
pub struct Namespace<'a> {
    at: At<'a>,
    name: String,
    ours: bool,
}

impl<'a> Namespace<'a> {
    /// Makes it and waits until pods can be made in it.
    pub fn new(at: impl Into<At<'a>>, name: &str) -> Result<Self> {
        let at = at.into();
        at.tool(&["kubectl", "create", "namespace", name]).ok()?;
        let namespace = Self { at, name: name.to_owned(), ours: true };
        // One at a time: of two that are missing kubectl makes one error, which it takes for another kind and gives up.
        for object in ["serviceaccount/default", "configmap/kube-root-ca.crt"] {
            namespace.kubectl(&["wait", "--for=create", object, "--timeout=60s"])?;
        }
        Ok(namespace)
    }

    /// One that is there already and stays.
    pub fn existing(at: impl Into<At<'a>>, name: &str) -> Self {
        Self { at: at.into(), name: name.to_owned(), ours: false }
    }

    /// Prepares kubectl in this namespace.
    pub fn prepare<S: AsRef<str>>(&self, arguments: &[S]) -> Run<'a> {
        let words = ["kubectl", "-n", &self.name].into_iter();
        self.at.tool(&words.chain(arguments.iter().map(AsRef::as_ref)).collect::<Vec<_>>())
    }

    /// Runs kubectl in this namespace, which must succeed.
    pub fn kubectl<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Output> {
        self.prepare(arguments).ok()
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        self.prepare(&["apply", "-f", "-"]).input(manifests).ok().map(drop)
    }

    /// Waits until objects (`pod/a`, `deployment/b`) satisfy a condition of `kubectl wait`.
    pub fn wait(&self, condition: &str, objects: &[&str]) -> Result<()> {
        let condition = format!("--for={condition}");
        let words = ["wait", &condition, "--timeout=180s"].into_iter();
        self.kubectl(&words.chain(objects.iter().copied()).collect::<Vec<_>>()).map(drop)
    }

    /// Waits until these pods are ready.
    pub fn ready(&self, pods: &[&str]) -> Result<()> {
        self.wait("condition=Ready", pods)
    }

    /// Kills the process of a pod whose number is in its `/pid`. If the container ends by that, so does the shell in it,
    /// sometimes before it can say that all is well.
    pub fn kill(&self, pod: &str) -> Result<()> {
        self.prepare(&["exec", pod, "--", "sh", "-c", "kill -9 $(cat /pid)"]).output().map(drop)
    }

    /// Runs a shell script in a pod and returns what it prints.
    pub fn sh(&self, pod: &str, script: &str) -> Result<String> {
        Ok(self.kubectl(&["exec", pod, "--", "sh", "-c", script])?.text().to_owned())
    }

    /// One field of an object, by JSON path.
    pub fn field(&self, object: &str, path: &str) -> Result<String> {
        let path = format!("jsonpath={{{path}}}");
        Ok(self.kubectl(&["get", object, "-o", &path])?.text().to_owned())
    }

    /// A pod that runs a shell script.
    pub fn pod(&self, name: &str, script: &str) -> Result<()> {
        self.apply(&pod(name, script, ""))
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if !self.ours {
            return;
        }
        let _ = self.at.tool(&["kubectl", "delete", "namespace", &self.name, "--wait=false"]).limit(30).output();
    }
}

/// Manifest of a pod that runs a shell script; `more` is YAML for its `spec`, indented by two spaces.
pub fn pod(name: &str, script: &str, more: &str) -> String {
    let script = serde_json::Value::from(script);
    let image = crate::IMAGE;
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  terminationGracePeriodSeconds: 0
{more}
  containers:
  - name: main
    image: {image}
    imagePullPolicy: IfNotPresent
    command: [sh, -c, {script}]
"
    )
}
