//! Where the two files of a checkpoint lie, and how they take their places.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// How the state's name ends beside weights whose name ends in `.safetensors`.
const STATE: &str = ".state.safetensors";

/// What the state's name has after that of other weights.
const OTHER_STATE: &str = ".trainer-state";

/// How a name ends under which a file is written before it takes its place.
const PARTIAL: &str = ".partial";

/// How many symbolic links are followed.
const MOST_LINKS: usize = 40;

/// Held while the files of a pair take their places or are read, so that no trainer of this process sees one of them
/// without the other.
static PLACES: Mutex<()> = Mutex::new(());

pub fn hold_places() -> MutexGuard<'static, ()> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of a checkpoint, with symbolic links followed.
#[derive(Debug)]
pub struct Pair {
    given: PathBuf,
    pub weights: PathBuf,
    pub state: PathBuf,
}

impl Pair {
    pub fn of(path: &Path) -> Result<Self> {
        let weights = destination(path)?;
        let state = destination(&state_path(&weights)?)?;
        Ok(Self { given: path.to_path_buf(), weights, state })
    }

    /// As [`Pair::of`], for writing.
    pub fn to_write(path: &Path) -> Result<Self> {
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

    /// Writes both files whole before either takes its place.
    pub fn write(&self, weights: &[u8], state: &[u8]) -> Result<()> {
        let state = Partial::write(&self.state, state)?;
        let weights = Partial::write(&self.weights, weights)?;
        // Two files cannot be replaced at once. The weights go first; should the program end here, `load` finds their
        // state under its partial name.
        let _held = hold_places();
        weights.settle()?;
        state.settle_or_stay()
    }

    /// Where the state can lie: in its place, then beside a link and where older versions put it, then under the partial
    /// name of a pair whose second file did not take its place.
    pub fn states(&self) -> impl Iterator<Item = PathBuf> {
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

    /// Lets the state that belongs to the weights take its place, if it has not.
    pub fn settle(&self, state: &Path) {
        if state.to_string_lossy().ends_with(PARTIAL) {
            // Where nothing can be written, it is found again the next time.
            let _ = fs::rename(state, &self.state);
        }
    }
}

/// A file that has not taken its place, and is gone unless it does.
struct Partial {
    path: PathBuf,
    place: PathBuf,
    stays: bool,
}

impl Partial {
    /// Writes a file under a name that no other has, whole and on the disk.
    fn write(place: &Path, bytes: &[u8]) -> Result<Self> {
        let parent = parent(place);
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        let path = append(place, &format!(".{:016x}{PARTIAL}", unique()));
        let failed = |error| Error::io(place, error);
        let mut file = File::create_new(&path).map_err(failed)?;
        let partial = Self { path, place: place.to_path_buf(), stays: false };
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        drop(file);
        written.map_err(failed)?;
        if let Ok(old) = fs::metadata(place) {
            fs::set_permissions(&partial.path, old.permissions()).map_err(failed)?;
        }
        Ok(partial)
    }

    fn settle(&self) -> Result<()> {
        fs::rename(&self.path, &self.place).map_err(|error| Error::io(&self.place, error))
    }

    /// As [`Partial::settle`]; a file that cannot take its place stays, since what it belongs to has.
    fn settle_or_stay(mut self) -> Result<()> {
        let settled = self.settle();
        self.stays = settled.is_err();
        settled
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.stays {
            // After it took its place there is none.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a file, but no device that might have no end.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let kind = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    check_kind(path, &kind)?;
    fs::read(path).map_err(|error| Error::io(path, error))
}

/// Where the state of a checkpoint lies; no two checkpoints have the same.
fn state_path(weights: &Path) -> Result<PathBuf> {
    if weights.file_name().is_none() {
        return Err(refused(weights, "it names no file"));
    }
    if weights.extension().is_some_and(|extension| extension == "safetensors") {
        return Ok(append(&weights.with_extension(""), STATE));
    }
    Ok(append(weights, OTHER_STATE))
}

/// What a path leads to over symbolic links, whether it is there or not; neither a folder nor a device.
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

/// A number that is another one at every call, in every thread and process.
fn unique() -> u64 {
    RandomState::new().build_hasher().finish()
}
