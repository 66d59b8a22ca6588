//! Unpacks an archive that may be hostile: files and directories only, all of them inside, nothing written twice.

use super::{BundleError, MANIFEST, manifest};
use flate2::bufread::MultiGzDecoder;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType, Header};
use usernetes_host::fs::create_dir;

/// Path that means standard input.
pub(crate) const STDIN: &str = "-";

/// Size of a header.
const BLOCK: usize = 512;
/// Where its checksum stands.
const CHECKSUM: Range<usize> = 148..156;

/// Opens an archive, or standard input for `-`.
pub(crate) fn open_archive(source: &Path) -> io::Result<Box<dyn Read>> {
    if source == Path::new(STDIN) { decompress(io::stdin().lock()) } else { decompress(File::open(source)?) }
}

/// The tar stream in `raw`; the first bytes tell how it is compressed, for a pipe has no name.
pub(crate) fn decompress(raw: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut reader = BufReader::with_capacity(256 << 10, raw);
    let head = reader.fill_buf()?;
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(reader)));
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
        // What `zstd --long=31` needs.
        decoder.window_log_max(31)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(reader))
}

/// Unpacks the archive `name` from `stream` into the empty directory `to`, and finds the bundle in it.
pub(crate) fn unpack_bundle(name: &Path, mut stream: impl Read, to: &Path) -> Result<PathBuf, BundleError> {
    let broken = |source| BundleError::Unpack { archive: name.to_owned(), source };
    let mut first = Vec::with_capacity(BLOCK);
    stream.by_ref().take(BLOCK as u64).read_to_end(&mut first).map_err(broken)?;
    if !is_header(&first) {
        return Err(BundleError::NoArchive(name.to_owned()));
    }
    let mut archive = Archive::new(first.as_slice().chain(stream));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(|e| broken(hide_contents(e)))?;
        let path = entry.path().map_err(broken)?.into_owned();
        let refuse =
            |why| BundleError::Entry { archive: name.to_owned(), entry: path.to_string_lossy().into_owned(), why };
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
                // tar writes the second name of a file so.
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

/// Whether an archive may begin so: with a header whose checksum fits, or with its end.
fn is_header(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(block) else { return false };
    // The checksum counts its own bytes as spaces.
    let sum: u32 = block.iter().enumerate().map(|(n, b)| if CHECKSUM.contains(&n) { 32 } else { u32::from(*b) }).sum();
    *block == [0; BLOCK] || Header::from_byte_slice(block).cksum().is_ok_and(|written| written == sum)
}

/// What the tar reader says of a header that it cannot read repeats its bytes, which may be anybody's.
fn hide_contents(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::Other { io::Error::other("it is damaged or cut off") } else { error }
}

fn entry_error(
    error: io::Error,
    refuse: impl Fn(&'static str) -> BundleError,
    broken: impl Fn(io::Error) -> BundleError,
) -> BundleError {
    if error.kind() == io::ErrorKind::AlreadyExists { refuse("is there twice") } else { broken(error) }
}

/// Writes a new file; neither set-user-id nor anyone else's right to write is taken over.
fn write_entry<R: Read>(entry: &mut Entry<'_, R>, target: &Path) -> io::Result<()> {
    let program = entry.header().mode()? & 0o111 != 0;
    let mode = if program { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(target)?;
    let copied = io::copy(entry, &mut file)?;
    if copied == entry.size() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The directory with the manifest: `to`, or the only directory in it (as `tar` of a directory makes it).
fn find_root(to: &Path) -> Option<PathBuf> {
    if to.join(MANIFEST).is_file() {
        return Some(to.to_owned());
    }
    let mut entries = to.read_dir().ok()?.flatten();
    let only = entries.next()?.path();
    (entries.next().is_none() && only.join(MANIFEST).is_file()).then_some(only)
}
