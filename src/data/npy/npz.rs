//! Archives of arrays, as `numpy.savez` and `numpy.savez_compressed` write them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::Array2;
use zip::ZipArchive;

use super::{MOST_AXES, parse};
use crate::error::{Error, Result, cut};
use crate::numeric::check_memory;

/// Reads the array `name` of an `.npz` file as [`read_npy_flat`](super::read_npy_flat) reads a file. Needs the feature
/// `npz`.
///
/// ```no_run
/// use wgrad::data::{Dataset, read_npz};
///
/// let (images, labels) = (read_npz("mnist.npz", "x_train")?, read_npz("mnist.npz", "y_train")?);
/// let labels: Vec<u32> = labels.iter().map(|label| *label as u32).collect();
/// let data = Dataset::new(images / 255.0, labels)?;
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// As [`read_npy`](super::read_npy); [`Error::Data`] if the file is no `.npz` file or has no such array.
pub fn read_npz(path: impl AsRef<Path>, name: &str) -> Result<Array2<f32>> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    let refuse = |message: String| Error::data(path.display().to_string(), message);
    let wrong = |error| refuse(format!("not an .npz file: {error}"));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(wrong)?;
    let Some(index) = archive.index_for_name(&format!("{name}.npy")) else {
        let names = archive.file_names().map(|name| name.trim_end_matches(".npy"));
        let names = names.collect::<Vec<_>>().join(", ");
        let (name, names) = (cut(name), cut(&names));
        return Err(refuse(format!("there is no array '{name}', only {names}")));
    };
    let mut entry = archive.by_index(index).map_err(wrong)?;
    check_memory("the array", entry.size())?;
    let mut bytes = Vec::new();
    let read = entry.read_to_end(&mut bytes);
    read.map_err(|source| Error::io(path, source))?;
    parse(&bytes, MOST_AXES).map_err(|message| refuse(format!("array '{}': {message}", cut(name))))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ndarray::{Array, Array3, array};
    use ndarray_npy::WriteNpyExt;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    fn archive(method: CompressionMethod) -> std::path::PathBuf {
        let name = format!("wgrad {} {method:?}.npz", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let mut add = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            write(&mut bytes);
            let options = SimpleFileOptions::default().compression_method(method);
            zip.start_file(format!("{name}.npy"), options).unwrap();
            zip.write_all(&bytes).unwrap();
        };
        let images: Array3<u8> = Array::from_shape_fn((2, 3, 4), |(a, b, c)| (a + b + c) as u8);
        add("x", &|bytes| images.write_npy(bytes).unwrap());
        add("y", &|bytes| array![3i64, 1].write_npy(bytes).unwrap());
        zip.finish().unwrap();
        path
    }

    #[test]
    fn arrays_of_an_archive_are_read_by_name() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let path = archive(method);
            assert_eq!(read_npz(&path, "y").unwrap(), array![[3.], [1.]]);
            let x = read_npz(&path, "x").unwrap();
            assert_eq!((x.dim(), x[[1, 11]]), ((2, 12), 6.0));
            let error = read_npz(&path, "z").unwrap_err().to_string();
            assert!(error.ends_with("there is no array 'z', only x, y"), "{error}");
            std::fs::write(&path, "no archive").unwrap();
            assert!(read_npz(&path, "x").unwrap_err().to_string().contains("not an .npz file"));
            std::fs::remove_file(path).unwrap();
        }
    }
}
