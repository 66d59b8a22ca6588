//! Streams an archive to the importing process, and reads its size, checksum and list of images on the way.

use super::{ImageError, LAYOUT, Source, names};
use crate::bundle::digest::{self, Hasher};
use crate::bundle::unpack::decompress;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tar::{Archive, Builder};

/// Name of the list of images of `docker save`.
const SAVED: &str = "manifest.json";
/// Name of the list of images of an OCI layout.
const INDEX: &str = "index.json";
/// Limit of a list in bytes. Lists are a few kilobytes; a hostile one must not exhaust memory.
const LONGEST_LIST: u64 = 16 << 20;

/// An archive that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Names of its images.
    pub images: Vec<String>,
    /// Whether the archive has the list of `docker save`; else it is only an OCI layout.
    pub saved: bool,
    /// SHA-256 of the archive as read; for a directory, that of its `index.json`.
    pub sha256: String,
    /// Number of bytes read.
    pub bytes: u64,
}

impl Source {
    /// Writes the archive uncompressed to `to`. Calls `progress` with the number of bytes read so far.
    pub fn send(
        &self,
        base_name: Option<&str>,
        to: impl Write,
        progress: impl Fn(u64) + 'static,
    ) -> Result<Sent, ImageError> {
        let unreadable = |source| ImageError::Read { path: self.path().to_owned(), source };
        match self {
            Self::Stdin => self.stream_archive(io::stdin(), base_name, to, progress),
            Self::File(path) => self.stream_archive(File::open(path).map_err(unreadable)?, base_name, to, progress),
            Self::Layout(path) => send_layout(path, base_name, to, progress),
        }
    }

    fn stream_archive(
        &self,
        raw: impl Read + 'static,
        base_name: Option<&str>,
        to: impl Write,
        progress: impl Fn(u64) + 'static,
    ) -> Result<Sent, ImageError> {
        let path = self.path();
        let counted = Counted { raw, seen: Rc::default(), progress };
        let seen = Rc::clone(&counted.seen);
        let damaged = |source| ImageError::Damaged { path: path.to_owned(), source };
        let stream = decompress(counted).map_err(damaged)?;
        let mut archive = Archive::new(Tee { from: stream, to, closed: false });
        let lists = Lists::from_archive(&mut archive, path)?;
        let (images, saved) = (lists.parse_names(path, base_name)?, lists.saved.is_some());
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
        let (sha, bytes) = &*seen.borrow();
        Ok(Sent { images, saved, sha256: sha.clone().finish(), bytes: *bytes })
    }
}

/// The lists of images in an archive.
#[derive(Default)]
struct Lists {
    layout: bool,
    index: Option<Vec<u8>>,
    saved: Option<Vec<u8>>,
}

impl Lists {
    fn from_archive(archive: &mut Archive<impl Read>, path: &Path) -> Result<Self, ImageError> {
        let mut lists = Self::default();
        let mut any = false;
        let not_tar = |_| ImageError::NotAnArchive(path.to_owned());
        let damaged = |source| ImageError::Damaged { path: path.to_owned(), source };
        for entry in archive.entries().map_err(not_tar)? {
            let mut entry = if any { entry.map_err(damaged)? } else { entry.map_err(not_tar)? };
            any = true;
            let name: PathBuf = entry.path().map_err(damaged)?.components().as_path().to_owned();
            let name = name.strip_prefix(".").unwrap_or(&name).to_owned();
            if name == Path::new(LAYOUT) {
                lists.layout = true;
            }
            let place = match name.to_str() {
                Some(INDEX) => &mut lists.index,
                Some(SAVED) => &mut lists.saved,
                _ => continue,
            };
            let mut text = Vec::new();
            entry.by_ref().take(LONGEST_LIST).read_to_end(&mut text).map_err(damaged)?;
            *place = Some(text);
        }
        Ok(lists)
    }

    /// Names of the images. As in containerd, an OCI layout takes precedence.
    fn parse_names(&self, path: &Path, base_name: Option<&str>) -> Result<Vec<String>, ImageError> {
        let names = match (&self.index, &self.saved) {
            (Some(index), _) if self.layout => names::parse_layout_names(path, index, base_name)?,
            (_, Some(saved)) => names::parse_saved_names(path, saved)?,
            _ => return Err(ImageError::NotAnArchive(path.to_owned())),
        };
        if names.is_empty() { Err(ImageError::NoImage(path.to_owned())) } else { Ok(names) }
    }
}

/// Sends a directory as a tar archive. Its checksum is that of the index, which refers to all content by digest.
fn send_layout(path: &Path, base: Option<&str>, to: impl Write, progress: impl Fn(u64)) -> Result<Sent, ImageError> {
    let unreadable = |source| ImageError::Read { path: path.to_owned(), source };
    let index = std::fs::read(path.join(INDEX)).map_err(unreadable)?;
    let images = names::parse_layout_names(path, &index, base)?;
    let mut to = Writer { to, written: 0, progress };
    let mut tar = Builder::new(&mut to);
    let packed = tar.append_dir_all("", path).and_then(|()| tar.into_inner().map(drop));
    let bytes = to.written;
    packed.map_err(|source| ImageError::Send { path: path.to_owned(), source })?;
    Ok(Sent { images, saved: false, sha256: digest::hash_bytes(&index), bytes })
}

/// A reader that counts and hashes.
struct Counted<R, P> {
    raw: R,
    seen: Rc<RefCell<(Hasher, u64)>>,
    progress: P,
}

impl<R: Read, P: Fn(u64)> Read for Counted<R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.raw.read(buffer)?;
        let (sha, bytes) = &mut *self.seen.borrow_mut();
        sha.update(&buffer[..length]);
        *bytes += length as u64;
        (self.progress)(*bytes);
        Ok(length)
    }
}

/// A reader that also writes to `to`. A closed pipe is not an error here: the importing process may stop before the padding
/// of tar, and reports failures itself.
struct Tee<R, W> {
    from: R,
    to: W,
    closed: bool,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        if !self.closed {
            match self.to.write_all(&buffer[..length]) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
                written => written?,
            }
        }
        Ok(length)
    }
}

/// A writer that counts.
struct Writer<W, P> {
    to: W,
    written: u64,
    progress: P,
}

impl<W: Write, P: Fn(u64)> Write for Writer<W, P> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.to.write(buffer)?;
        self.written += length as u64;
        (self.progress)(self.written);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
