//! Unpacks archives that may be hostile: only files and directories, only below the target, no path twice.

use super::{BundleError, MANIFEST, manifest};
use flate2::bufread::MultiGzDecoder;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType, Header};
use usernetes_host::fs::create_dir;

/// The path that stands for standard input.
pub(crate) const STDIN: &str = "-";

/// Largest size of all files of an archive in bytes, several times that of the largest bundle.
const TOTAL_LIMIT: u64 = 8 << 30;
/// Largest number of entries of an archive.
const ENTRY_LIMIT: usize = 100_000;
/// Size of a tar header in bytes.
const BLOCK: usize = 512;
/// Position of the checksum in a tar header.
const CHECKSUM: Range<usize> = 148..156;

/// Opens an archive, or standard input for `-`.
pub(crate) fn open_archive(source: &Path) -> io::Result<Box<dyn Read>> {
    if source == Path::new(STDIN) { decompress(io::stdin().lock()) } else { decompress(File::open(source)?) }
}

/// The uncompressed stream of `raw`. The compression is detected from the first bytes, since a pipe has no name.
pub(crate) fn decompress(raw: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut reader = BufReader::with_capacity(256 << 10, raw);
    let head = reader.fill_buf()?;
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(reader)));
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
        // The window of `zstd --long`: 128 MiB.
        decoder.window_log_max(27)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(reader))
}

/// Unpacks the archive `name` from `stream` into the empty directory `to`; returns the directory of the bundle in it.
pub(crate) fn unpack_bundle(name: &Path, mut stream: impl Read, to: &Path) -> Result<PathBuf, BundleError> {
    let broken = |source| BundleError::Unpack { archive: name.to_owned(), source };
    let mut first = Vec::with_capacity(BLOCK);
    stream.by_ref().take(BLOCK as u64).read_to_end(&mut first).map_err(broken)?;
    if !is_header(&first) {
        return Err(BundleError::NoArchive(name.to_owned()));
    }
    let mut archive = Archive::new(first.as_slice().chain(stream));
    let mut total = 0_u64;
    for (n, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(|e| broken(hide_contents(e)))?;
        let path = entry.path().map_err(broken)?.into_owned();
        let refuse =
            |why| BundleError::Entry { archive: name.to_owned(), entry: path.to_string_lossy().into_owned(), why };
        total = total.saturating_add(entry.size());
        if total > TOTAL_LIMIT || n >= ENTRY_LIMIT {
            return Err(refuse("makes the archive larger than any bundle is"));
        }
        let inside = manifest::clean_path(&path).map_err(refuse)?;
        let target = to.join(&inside);
        match entry.header().entry_type() {
            EntryType::Directory => create_dir(&target)?,
            EntryType::XGlobalHeader => {}
            EntryType::Regular | EntryType::Continuous if inside.as_os_str().is_empty() => {
                return Err(refuse("has no name"));
            }
            EntryType::Regular | EntryType::Continuous => {
                create_dir(target.parent().unwrap_or(to))?;
                write_entry(&mut entry, &target).map_err(|e| entry_error(e, refuse, broken))?;
            }
            EntryType::Link => {
                // tar writes the second hard link of a file this way.
                let first = entry.link_name().map_err(broken)?.unwrap_or_default();
                let first = manifest::clean_path(&first).map_err(|_| refuse("is a link to outside of the bundle"))?;
                create_dir(target.parent().unwrap_or(to))?;
                std::fs::hard_link(to.join(first), &target).map_err(|e| entry_error(e, refuse, broken))?;
            }
            EntryType::Symlink => return Err(refuse("is a symbolic link, which no bundle has")),
            _ => return Err(refuse("is neither a file nor a directory")),
        }
    }
    find_root(to).ok_or_else(|| BundleError::NoManifest(name.to_owned()))
}

/// Whether `block` is a tar header with a valid checksum, or the end of an archive.
fn is_header(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(block) else { return false };
    // The checksum counts its own bytes as spaces.
    let sum: u32 = block.iter().enumerate().map(|(n, b)| if CHECKSUM.contains(&n) { 32 } else { u32::from(*b) }).sum();
    *block == [0; BLOCK] || Header::from_byte_slice(block).cksum().is_ok_and(|written| written == sum)
}

/// Replaces the tar reader's message about an invalid header: it repeats bytes of the archive.
fn hide_contents(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::Other { io::Error::other("it is damaged or cut off") } else { error }
}

/// The error of an entry that cannot be created.
fn entry_error(
    error: io::Error,
    refuse: impl Fn(&'static str) -> BundleError,
    broken: impl Fn(io::Error) -> BundleError,
) -> BundleError {
    if error.kind() == io::ErrorKind::AlreadyExists { refuse("is there twice") } else { broken(error) }
}

/// Writes an entry to a new file. Of its mode only the permission to execute is kept.
fn write_entry<R: Read>(entry: &mut Entry<'_, R>, target: &Path) -> io::Result<()> {
    let program = entry.header().mode()? & 0o111 != 0;
    let mode = if program { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(target)?;
    let copied = io::copy(entry, &mut file)?;
    if copied == entry.size() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The directory with the manifest: `to`, or the only directory in it (the layout of `tar` of a directory).
fn find_root(to: &Path) -> Option<PathBuf> {
    if to.join(MANIFEST).is_file() {
        return Some(to.to_owned());
    }
    let mut entries = to.read_dir().ok()?.flatten();
    let only = entries.next()?.path();
    (entries.next().is_none() && only.join(MANIFEST).is_file()).then_some(only)
}
