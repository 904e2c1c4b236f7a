//! The paths of the two files of a checkpoint, and how they are replaced.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::data::foreign;
use crate::error::{Error, Result};

/// The ending of the state's file name if the weights' file name ends in `.safetensors`.
const STATE: &str = ".state.safetensors";

/// The suffix added to any other weights' file name to give the state's.
const OTHER_STATE: &str = ".trainer-state";

/// The ending of the temporary name under which a file is written before it is renamed.
const PARTIAL: &str = ".partial";

/// The maximum number of symbolic links followed.
const MOST_LINKS: usize = 40;

/// Held while the files of a pair are renamed or read, so that no trainer of this process sees a new file next to an
/// old one.
static PLACES: Mutex<()> = Mutex::new(());

pub(crate) fn hold_places() -> MutexGuard<'static, ()> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of a checkpoint, with symbolic links followed.
#[derive(Debug)]
pub(crate) struct CheckpointPaths {
    given: PathBuf,
    pub weights: PathBuf,
    pub state: PathBuf,
}

impl CheckpointPaths {
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let weights = destination(path)?;
        let state = destination(&state_path(&weights)?)?;
        Ok(Self { given: path.to_path_buf(), weights, state })
    }

    /// As [`CheckpointPaths::of`], for writing.
    pub(crate) fn to_write(path: &Path) -> Result<Self> {
        let pair = Self::of(path)?;
        let name = pair.weights.file_name().unwrap_or_default().to_string_lossy();
        match [STATE, OTHER_STATE].into_iter().find(|end| name.ends_with(end)) {
            None => Ok(pair),
            Some(end) => {
                let message =
                    format!("a name that ends in '{end}' is that of a checkpoint's state");
                Err(refused(path, &message))
            }
        }
    }

    /// Writes both files completely before renaming either to its final path.
    pub(crate) fn write(&self, weights: &[u8], state: &[u8]) -> Result<()> {
        let state = Partial::write(&self.state, state)?;
        let weights = Partial::write(&self.weights, weights)?;
        // Two files cannot be replaced at once. The weights are renamed first; if the process ends in between, `load`
        // finds their state under its temporary name.
        let _held = hold_places();
        weights.settle()?;
        state.rename_or_keep()
    }

    /// The candidate paths of the state: its final path, then next to a symbolic link and where older versions put it,
    /// then the temporary name of a pair whose second file was not renamed.
    pub(crate) fn states(&self) -> impl Iterator<Item = PathBuf> {
        let old = self.given.with_extension("state.safetensors");
        let beside = state_path(&self.given).unwrap_or_else(|_| old.clone());
        let mut places = vec![self.state.clone(), beside, old];
        places.dedup();
        places.into_iter().chain(std::iter::once_with(|| self.partial_states()).flatten())
    }

    fn partial_states(&self) -> Vec<PathBuf> {
        let begins =
            self.state.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".";
        let is_partial = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&begins) && name.ends_with(PARTIAL)
        };
        let entries = fs::read_dir(parent(&self.state)).into_iter().flatten().flatten();
        let partials = entries.map(|entry| entry.path()).filter(is_partial);
        partials.chain([self.given.with_extension("state.partial")]).collect()
    }

    /// Renames the state that belongs to the weights to its final path if it still has a temporary name.
    pub(crate) fn settle(&self, state: &Path) {
        if state.to_string_lossy().ends_with(PARTIAL) {
            // If the directory is read-only, the state is found under its temporary name the next time, too.
            let _ = fs::rename(state, &self.state);
        }
    }
}

/// A file under a temporary name, deleted when dropped unless it was renamed to its final path.
struct Partial {
    path: PathBuf,
    place: PathBuf,
    stays: bool,
}

impl Partial {
    /// Writes a complete file under a unique name and flushes it to the disk.
    fn write(place: &Path, bytes: &[u8]) -> Result<Self> {
        let parent = parent(place);
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        let path = append(place, &format!(".{:016x}{PARTIAL}", unique()));
        let failed = |error| Error::io(place, error);
        let write = |mut file: File| file.write_all(bytes).and_then(|()| file.sync_all());
        let file = File::create_new(&path).map_err(failed)?;
        let partial = Self { path, place: place.to_path_buf(), stays: false };
        write(file).map_err(failed)?;
        if let Ok(old) = fs::metadata(place) {
            fs::set_permissions(&partial.path, old.permissions()).map_err(failed)?;
        }
        Ok(partial)
    }

    fn settle(&self) -> Result<()> {
        fs::rename(&self.path, &self.place).map_err(|error| Error::io(&self.place, error))
    }

    /// As [`Partial::settle`], but keeps a file that cannot be renamed, since the other file of the pair has been.
    fn rename_or_keep(mut self) -> Result<()> {
        let settled = self.settle();
        self.stays = settled.is_err();
        settled
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.stays {
            // Fails if the file has been renamed, which is fine.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a regular file; refuses devices, which may be endless, and files of other formats.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let kind = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    check_kind(path, &kind)?;
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    match foreign::recognize(&bytes) {
        Some(format) => Err(refused(path, &format.refusal(Some(path)))),
        None => Ok(bytes),
    }
}

/// The path of a checkpoint's state, distinct for every path of weights.
fn state_path(weights: &Path) -> Result<PathBuf> {
    if weights.file_name().is_none() {
        return Err(refused(weights, "it names no file"));
    }
    if weights.extension().is_some_and(|extension| extension == "safetensors") {
        return Ok(append(&weights.with_extension(""), STATE));
    }
    Ok(append(weights, OTHER_STATE))
}

/// Resolves symbolic links to a path, which need not exist but must not be a folder or a device.
fn destination(path: &Path) -> Result<PathBuf> {
    let mut place = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(Error::io(path, error)),
            Ok(kind) if !kind.is_symlink() => return check_kind(path, &kind).map(|()| place),
            Ok(_) => {
                let target = fs::read_link(&place).map_err(|error| Error::io(path, error))?;
                place = parent(&place).join(target);
            }
        }
    }
    Err(refused(path, &format!("it leads over more than {MOST_LINKS} symbolic links")))
}

fn check_kind(path: &Path, kind: &fs::Metadata) -> Result<()> {
    match () {
        () if kind.is_file() => Ok(()),
        () if kind.is_dir() => Err(refused(path, "it is a folder, not a file")),
        () => Err(refused(path, "it is a device, not a file")),
    }
}

fn refused(path: &Path, message: &str) -> Error {
    Error::Checkpoint(format!("{}: {message}", path.display()))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn append(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// A number that differs between calls, threads and processes.
fn unique() -> u64 {
    RandomState::new().build_hasher().finish()
}
