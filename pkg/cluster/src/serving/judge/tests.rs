use super::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

const MINE: &str = "system:node:host2";
const ADDRESS: &str = "198.51.100.12";

fn parse(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

fn request(common_name: &str, organization: &str, names: &[&str], addresses: &[&str]) -> PendingRequest {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, common_name);
    let names = names.iter().map(|name| SanType::DnsName((*name).try_into().expect("a name")));
    let addresses = addresses.iter().map(|address| SanType::IpAddress(parse(address)));
    params.subject_alt_names = names.chain(addresses).collect();
    let request = params.serialize_request(&KeyPair::generate().expect("a key")).expect("a request");
    PendingRequest {
        name: "csr-a".to_owned(),
        uid: String::new(),
        pem: request.pem().expect("PEM").into_bytes(),
        usages: USAGES.map(str::to_owned).to_vec(),
        username: MINE.to_owned(),
        groups: vec![SYSTEM_NODES.to_owned(), "system:authenticated".to_owned()],
    }
}

fn ask(names: &[&str], addresses: &[&str]) -> PendingRequest {
    request(MINE, SYSTEM_NODES, names, addresses)
}

/// The verdict where the Node says that it has `status`.
fn verdict_with(request: &PendingRequest, status: &str) -> Verdict {
    let node =
        |name: &str, address| NodeIdentity { name: name.to_owned(), address: Some(address), kubelet_port: 10250 };
    let nodes =
        [node("host1", parse("198.51.100.11")), node("host2", parse(status)), node("host3", parse("10.96.0.1"))];
    let registered = RegisteredAddresses::from_pairs([("host1", parse("198.51.100.11")), ("host2", parse(ADDRESS))]);
    let rules = AddressRules {
        control_plane: "host1".to_owned(),
        host_ip: parse("198.51.100.11"),
        inside: vec!["10.96.0.0/12".parse().expect("a range")],
    };
    judge_request(request, &Known { nodes: &nodes.each_ref(), registered: &registered, rules: &rules })
}

fn verdict_on(request: &PendingRequest) -> String {
    match verdict_with(request, ADDRESS) {
        Verdict::Approve => "approved".to_owned(),
        Verdict::Refuse(refusal) => refusal.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_name_and_the_registered_address_are_approved() {
    assert_eq!(verdict_on(&ask(&["host2"], &[ADDRESS])), "approved");
    let mut rsa = ask(&["host2"], &[ADDRESS]);
    rsa.usages.push(RSA_USAGE.to_owned());
    assert_eq!(verdict_on(&rsa), "approved");
}

#[test]
fn anything_else_is_refused() {
    let good = || ask(&["host2"], &[ADDRESS]);
    let cases = [
        ask(&["host1"], &[ADDRESS]),
        ask(&["host2", "kubernetes.default.svc"], &[ADDRESS]),
        ask(&["host2"], &["198.51.100.11"]),
        ask(&["host2"], &[ADDRESS, "10.96.0.1"]),
        ask(&["host2"], &["127.0.0.1"]),
        ask(&["host2"], &["198.51.100.77"]),
        ask(&["*.example"], &[]),
        ask(&[], &[]),
        request("system:node:host1", SYSTEM_NODES, &["host2"], &[]),
        request(MINE, "system:masters", &["host2"], &[]),
        PendingRequest { username: "alice".to_owned(), ..good() },
        PendingRequest { groups: vec!["system:authenticated".to_owned()], ..good() },
        PendingRequest { usages: vec!["client auth".to_owned(), "server auth".to_owned()], ..good() },
        PendingRequest {
            usages: ["digital signature", "server auth", "client auth"].map(str::to_owned).to_vec(),
            ..good()
        },
        PendingRequest { pem: b"nonsense".to_vec(), ..good() },
    ];
    let all: Vec<_> = cases.iter().map(verdict_on).collect();
    insta::assert_snapshot!(all.join("\n"), @"
    host1 is not a name or address of node host2
    kubernetes.default.svc is not a name or address of node host2
    198.51.100.11 is the address of node host1
    10.96.0.1 is inside the cluster's range 10.96.0.0/12
    127.0.0.1 is not the address of one host of a network
    198.51.100.77 is not a name or address of node host2
    *.example is not a name or address of node host2
    it names no host and no address
    its subject is not that of system:node:host2 alone
    its subject is not that of system:node:host2 alone
    it was made by alice, which is not a kubelet
    it was made by system:node:host2, which is not a kubelet
    its usages are client auth, server auth, not exactly those of a server
    its usages are digital signature, server auth, client auth, not exactly those of a server
    it is not a certificate request signed by its own key
    ");
}

#[test]
fn another_address_of_the_node_has_to_be_proved() {
    let moved = ask(&["host2"], &["198.51.100.77"]);
    let prove = Verdict::Prove {
        node: "host2".to_owned(),
        kubelet: "198.51.100.77:10250".parse().expect("an address"),
        registered: parse(ADDRESS),
    };
    assert_eq!(verdict_with(&moved, "198.51.100.77"), prove);
    let both = ask(&["host2"], &["198.51.100.77", ADDRESS]);
    assert!(matches!(verdict_with(&both, "198.51.100.77"), Verdict::Refuse(Refusal::Foreign { .. })));
    let control_plane = ask(&["host2"], &["198.51.100.11"]);
    assert!(matches!(verdict_with(&control_plane, "198.51.100.11"), Verdict::Refuse(Refusal::Address(_))));
}

#[test]
fn a_node_without_a_registered_address_waits_or_is_refused() {
    let of = |name: &str| {
        let user = format!("system:node:{name}");
        PendingRequest { username: user.clone(), ..request(&user, SYSTEM_NODES, &[name], &[]) }
    };
    assert_eq!(verdict_with(&of("host4"), ADDRESS), Verdict::Wait);
    assert!(matches!(verdict_with(&of("host3"), ADDRESS), Verdict::Refuse(Refusal::Address(_))));
}
