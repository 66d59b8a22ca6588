use super::treatments::Treatment;
use super::{Shape, find_table, tables};
use serde::de::{Deserialize, Deserializer, Visitor};
use std::path::Path;

/// The names of a type's fields, as serde knows them.
#[derive(Default)]
struct FieldNames(Vec<&'static str>);

impl<'de> Deserializer<'de> for &mut FieldNames {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("no type with fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.extend(fields);
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

fn names_of<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = FieldNames::default();
    let _ = T::deserialize(&mut names);
    names.0.sort_unstable();
    names.0
}

/// Names of the fields at a path of a table that are honoured in part at least.
fn honoured<'a>(api_version: &str, kind: &str, path: &[&str]) -> Vec<&'a str> {
    let mut shape = find_table(api_version, kind).expect("a table");
    for name in path {
        while let Shape::List(inner) | Shape::Map(inner) = shape {
            shape = inner;
        }
        let Shape::Fields(fields) = shape else { panic!("{name} of {kind} is no field") };
        shape = fields.get(name).expect("a field");
    }
    while let Shape::List(inner) | Shape::Map(inner) = shape {
        shape = inner;
    }
    let Shape::Fields(fields) = shape else { panic!("{path:?} of {kind} has no fields") };
    let is_used = |shape: &Shape| {
        shape.rows().iter().any(|row| !matches!(row.treatment, Treatment::Default { .. } | Treatment::Refused { .. }))
    };
    fields.iter().filter(|(_, shape)| is_used(shape)).map(|(name, _)| *name).collect()
}

macro_rules! assert_fields {
    ($($kind:literal $path:expr => $type:ty),* $(,)?) => {
        $(assert_eq!(honoured(V1BETA4, $kind, &$path), names_of::<$type>(), "{}", $kind);)*
    };
}

const V1BETA4: &str = "kubeadm.k8s.io/v1beta4";
const ROOTLESS: &str = "usernetes.rs/v1alpha1";

#[test]
fn every_honoured_field_of_kubeadm_is_a_field_of_our_types() {
    assert_fields! {
        "InitConfiguration" [] => crate::InitConfiguration,
        "InitConfiguration" ["bootstrapTokens"] => crate::BootstrapTokenSpec,
        "InitConfiguration" ["nodeRegistration"] => crate::NodeRegistrationOptions,
        "InitConfiguration" ["nodeRegistration", "taints"] => crate::Taint,
        "InitConfiguration" ["nodeRegistration", "kubeletExtraArgs"] => crate::Arg,
        "InitConfiguration" ["localAPIEndpoint"] => crate::ApiEndpoint,
        "InitConfiguration" ["timeouts"] => crate::Timeouts,
        "ClusterConfiguration" [] => crate::ClusterConfiguration,
        "ClusterConfiguration" ["etcd"] => crate::Etcd,
        "ClusterConfiguration" ["etcd", "local"] => crate::LocalEtcd,
        "ClusterConfiguration" ["networking"] => crate::Networking,
        "ClusterConfiguration" ["apiServer"] => crate::ApiServer,
        "ClusterConfiguration" ["apiServer", "extraEnvs"] => crate::EnvVar,
        "ClusterConfiguration" ["scheduler"] => crate::ControlPlaneComponent,
        "ClusterConfiguration" ["dns"] => crate::Addon,
        "JoinConfiguration" [] => crate::JoinConfiguration,
        "JoinConfiguration" ["discovery"] => crate::Discovery,
        "JoinConfiguration" ["discovery", "bootstrapToken"] => crate::BootstrapTokenDiscovery,
        "JoinConfiguration" ["discovery", "file"] => crate::FileDiscovery,
    }
}

#[test]
fn our_own_tables_have_the_fields_of_our_types() {
    let kind = "RootlessConfiguration";
    assert_eq!(honoured(ROOTLESS, kind, &[]), names_of::<crate::RootlessConfiguration>());
    assert_eq!(honoured(ROOTLESS, kind, &["network"]), names_of::<crate::NetworkOptions>());
    assert_eq!(honoured(ROOTLESS, kind, &["ports"]), names_of::<crate::PortOptions>());
    assert_eq!(honoured(ROOTLESS, "NodeState", &[]), names_of::<crate::NodeState>());
}

/// Every row of upstream's tables is still upstream's; skipped where its Go sources are not there.
#[test]
fn tables_are_those_of_upstreams_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = std::env::temp_dir().join(format!("config-fields-{}", std::process::id()));
    std::fs::create_dir_all(&made).expect("a directory");
    let result = std::process::Command::new(root.join("hack/config-fields")).arg(&made).output();
    let result = result.expect("bash");
    if !result.status.success() {
        return;
    }
    for name in ["v1beta4.tsv", "v1beta3.tsv", "kubelet.tsv", "kube-proxy.tsv"] {
        let read = |dir: &Path| std::fs::read_to_string(dir.join(name)).expect(name);
        assert!(read(&made) == read(&root.join("pkg/api/src/fields")), "{name}: run hack/config-fields");
    }
    std::fs::remove_dir_all(&made).expect("ours");
}

#[test]
fn every_reason_is_used_and_every_table_has_rows() {
    for (kind, shape) in tables() {
        assert!(!shape.rows().is_empty(), "{kind:?}");
    }
    let rows = super::treatments::unused_rows();
    assert_eq!(rows, Vec::<&str>::new(), "no field matches these patterns");
}

#[test]
fn page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cmd/usernetes-rs/docs/configuration.md");
    let page = super::render_page();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &page).expect("the repository");
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == page, "configuration.md is not up to date");
}
