//! An HTTP server for tests that lays files out as upstream does, and misbehaves on demand.

use super::table::{ARTIFACTS, Checksum, Content, Release, file_name};
use crate::bundle::digest;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the server has and how it behaves.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Content by path, `/<upstream host>/<path>`.
    pub(crate) files: HashMap<String, Vec<u8>>,
    /// Requests as `<path> <Range or ->`.
    pub(crate) log: Vec<String>,
    /// Paths whose connection is cut so often after half of what is left.
    pub(crate) cuts: HashMap<String, u32>,
    /// Paths that so often are answered with 503.
    pub(crate) busy: HashMap<String, u32>,
    /// Whether `Range` is not understood.
    pub(crate) no_range: bool,
}

/// The server; its thread ends with the test process.
pub(crate) struct Server {
    pub(crate) url: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl Server {
    pub(crate) fn start(shelf: Shelf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/mirror", listener.local_addr().expect("bound"));
        let shelf = Arc::new(Mutex::new(shelf));
        let shared = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer_request(stream, &shared));
            }
        });
        Self { url, shelf }
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no thread panicked")
    }
}

fn answer_request(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.strip_prefix("/mirror")?.to_owned();
    let headers: HashMap<String, String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned())))
        .collect();
    let mut held = shelf.lock().ok()?;
    let (head, body, cut) = build_reply(&mut held, &path, &headers);
    drop(held);
    let sent = if cut { body.len() / 2 } else { body.len() };
    write!(stream, "HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).ok()?;
    stream.write_all(&body[..sent]).ok()
}

fn build_reply(shelf: &mut Shelf, path: &str, headers: &HashMap<String, String>) -> (String, Vec<u8>, bool) {
    let range = headers.get("range").filter(|_| !shelf.no_range);
    shelf.log.push(format!("{path} {}", headers.get("range").map_or("-", String::as_str)));
    let mut due = |counts: fn(&mut Shelf) -> &mut HashMap<String, u32>| {
        let left = counts(shelf).get_mut(path).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    if due(|shelf| &mut shelf.busy) {
        return ("503 Busy\r\n".into(), Vec::new(), false);
    }
    let cut = due(|shelf| &mut shelf.cuts);
    let Some(content) = shelf.files.get(path) else {
        return ("404 Not Found\r\n".into(), Vec::new(), false);
    };
    let etag = format!("\"{}\"", &digest::hash_bytes(content)[..8]);
    let tag = format!("ETag: {etag}\r\n");
    let start = range
        .filter(|_| headers.get("if-range") == Some(&etag))
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        Some(start) if start >= content.len() => {
            (format!("416 Range\r\nContent-Range: bytes */{}\r\n{tag}", content.len()), Vec::new(), false)
        }
        Some(start) => {
            let (last, all) = (content.len() - 1, content.len());
            let head = format!("206 Partial\r\nContent-Range: bytes {start}-{last}/{all}\r\n{tag}");
            (head, content[start..].to_vec(), cut)
        }
        None => (format!("200 OK\r\n{tag}"), content.clone(), cut),
    }
}

/// Everything of a release, with its checksum files, as upstream has it.
pub(crate) fn upstream_files(release: &Release<'_>) -> Shelf {
    let mut shelf = Shelf::default();
    for artifact in &ARTIFACTS {
        let url = artifact.url(release);
        let content = match artifact.content {
            Content::Program(path) => format!("program {path} ").repeat(20_000).into_bytes(),
            Content::Image(name, _) => build_image(&format!("registry.example/{name}:{}", artifact.version(release))),
            Content::Archive(members) => {
                let names = members.iter().map(|(member, _)| artifact.fill_template(member, release));
                // Upstream's archives hold more than we want, and some write `./` before names.
                compress_gzip(&build_tar(names.map(|name| format!("./{name}")).chain(["LICENSE".into()])))
            }
        };
        publish_artifact(&mut shelf, &url, content, artifact.checksum_url(release), &artifact.checksum);
    }
    shelf
}

fn publish_artifact(shelf: &mut Shelf, url: &str, content: Vec<u8>, list: Option<String>, form: &Checksum) {
    let (sum, name) = (digest::hash_bytes(&content), file_name(url));
    shelf.files.insert(url_path(url), content);
    let text = match form {
        Checksum::Suffix(".sha256") if url.starts_with("https://dl.k8s.io") => sum,
        Checksum::Suffix(_) => format!("{sum}  {name}\n"),
        Checksum::List(_) => format!("{}  other.tar.gz\n{sum} *{name}\n", "0".repeat(64)),
        Checksum::Unpublished => return,
    };
    shelf.files.insert(url_path(&list.expect("published")), text.into_bytes());
}

/// Path on the mirror of what upstream has at `url`.
pub(crate) fn url_path(url: &str) -> String {
    url.replace("https:/", "")
}

fn build_tar(names: impl Iterator<Item = String>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in names {
        let content = format!("program {name}");
        append_file(&mut builder, &name, content.as_bytes());
    }
    builder.into_inner().expect("archived")
}

fn append_file(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, name, content).expect("archived");
}

/// A docker archive in name only.
pub(crate) fn build_image(tag: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    append_file(&mut builder, "layer.tar", &[1; 5000]);
    append_file(&mut builder, "manifest.json", format!("[{{\"RepoTags\":[\"{tag}\"],\"Layers\":[]}}]").as_bytes());
    builder.into_inner().expect("archived")
}

fn compress_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("packed");
    packed.finish().expect("packed")
}
