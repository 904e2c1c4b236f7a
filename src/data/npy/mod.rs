//! NumPy's `.npy` and `.npz` files.

mod header;
#[cfg(feature = "npz")]
mod npz;

use std::io::Read;
use std::path::Path;

use header::Header;
use ndarray::{Array2, ShapeBuilder};
#[cfg(feature = "npz")]
pub use npz::read_npz;

use crate::error::{Error, Result, cut};

/// The maximum number of axes that are flattened.
const MOST_AXES: usize = 4;

/// Reads an `.npy` file as a matrix; a one-dimensional array of n becomes n × 1.
///
/// Elements may be floats of 16, 32 or 64 bits, integers of 8 to 64 bits with or without a sign, or booleans, of either
/// byte order, in C or Fortran order; the result is in standard layout. Values that `f32` cannot represent exactly are
/// rounded to the nearest; NaN and infinity are preserved.
///
/// ```no_run
/// let inputs = wgrad::data::read_npy("inputs.npy")?;
/// let targets = wgrad::data::read_npy("targets.npy")?;
/// let data = wgrad::data::Dataset::new(inputs, targets)?;
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Data`] for a file that is not `.npy`, is truncated or has
/// trailing bytes, has an unsupported element type or number of dimensions, or holds a finite value outside the range
/// of `f32`.
pub fn read_npy(path: impl AsRef<Path>) -> Result<Array2<f32>> {
    let (bytes, origin) = read_file(path.as_ref())?;
    parse(&bytes, 2).map_err(|message| Error::data(origin, message))
}

/// As [`read_npy`], of an array of up to four axes, such as images: all but the first become one.
///
/// # Errors
/// As [`read_npy`].
pub fn read_npy_flat(path: impl AsRef<Path>) -> Result<Array2<f32>> {
    let (bytes, origin) = read_file(path.as_ref())?;
    parse(&bytes, MOST_AXES).map_err(|message| Error::data(origin, message))
}

/// Reads the `.npy` format from any reader, as [`read_npy`] does; `origin` names the source in errors.
///
/// ```
/// let mut file = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
/// file.extend(format!("{:<69}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}").bytes());
/// file.extend([1, 2, 3]);
/// let column = wgrad::data::read_npy_from(&file[..], "three bytes")?;
/// assert_eq!(column, ndarray::array![[1.0], [2.0], [3.0]]);
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// As [`read_npy`].
pub fn read_npy_from(mut reader: impl Read, origin: &str) -> Result<Array2<f32>> {
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { path: origin.into(), source })?;
    parse(&bytes, 2).map_err(|message| Error::data(origin, message))
}

/// The content of a file, and its name for errors.
fn read_file(path: &Path) -> Result<(Vec<u8>, String)> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    Ok((bytes, path.display().to_string()))
}

/// The matrix that a file holds in an array of up to `axes` axes.
fn parse(bytes: &[u8], axes: usize) -> Result<Array2<f32>, String> {
    let (header, data) = header::split(bytes)?;
    let (rows, cols) = match header.shape[..] {
        [rows] => (rows, 1),
        [rows, cols] => (rows, cols),
        [rows, ref rest @ ..] if rest.len() < axes => {
            let cols = rest.iter().try_fold(1usize, |product, axis| product.checked_mul(*axis));
            (rows, cols.ok_or("its shape overflows")?)
        }
        _ => {
            let shape = format!("{:?}", header.shape);
            let more = if axes == 2 { "; read_npy_flat takes up to four" } else { "" };
            let shape = cut(&shape);
            return Err(format!("an array of shape {shape}; one or two axes are supported{more}"));
        }
    };
    let numbers = elements(&header, data, rows, cols)?;
    let numbers = match header.is_fortran && header.shape.len() > 2 {
        true => row_major(&header.shape, &numbers)?,
        false => numbers,
    };
    let order = (rows, cols).set_f(header.is_fortran && header.shape.len() <= 2);
    let array = Array2::from_shape_vec(order, numbers).map_err(|error| error.to_string())?;
    if array.is_standard_layout() { Ok(array) } else { Ok(array.as_standard_layout().into_owned()) }
}

/// The elements of an array in Fortran order, in C order.
fn row_major(shape: &[usize], numbers: &[f32]) -> Result<Vec<f32>, String> {
    let array = ndarray::ArrayView::from_shape(ndarray::IxDyn(shape).f(), numbers);
    Ok(array.map_err(|error| error.to_string())?.iter().copied().collect())
}

/// The elements in the order of the file.
fn elements(
    header: &Header<'_>,
    bytes: &[u8],
    rows: usize,
    cols: usize,
) -> Result<Vec<f32>, String> {
    let descriptor = header.descriptor;
    let order = descriptor.chars().next().filter(|c| "<>=|".contains(*c));
    let name = descriptor.strip_prefix(|c| Some(c) == order).unwrap_or(descriptor);
    let size = match name {
        "f8" | "i8" | "u8" => 8,
        "f4" | "i4" | "u4" => 4,
        "f2" | "i2" | "u2" => 2,
        "i1" | "u1" | "b1" => 1,
        _ => {
            let known = "float16 to float64, int8 to int64, uint8 to uint64 and bool";
            return Err(format!("elements of type '{}'; supported are {known}", cut(descriptor)));
        }
    };
    // The sizes are compared before anything is allocated: a corrupt header may claim any shape.
    let claimed = rows.checked_mul(cols).and_then(|len| len.checked_mul(size));
    if claimed != Some(bytes.len()) {
        let claimed = claimed.map_or("too many".into(), |claimed| claimed.to_string());
        return Err(format!(
            "the header says {rows} × {cols} elements of {size} bytes ({claimed} bytes), the file has {} bytes of data",
            bytes.len()
        ));
    }
    let is_big = match order {
        Some('>') => true,
        Some('<') => false,
        _ => cfg!(target_endian = "big"),
    };
    match name {
        "f8" => narrow(&typed(bytes, is_big, f64::from_le_bytes)),
        "f4" => Ok(typed(bytes, is_big, f32::from_le_bytes)),
        "f2" => Ok(typed(bytes, is_big, |bytes| half::f16::from_le_bytes(bytes).to_f32())),
        "i8" => Ok(typed(bytes, is_big, |bytes| i64::from_le_bytes(bytes) as f32)),
        "u8" => Ok(typed(bytes, is_big, |bytes| u64::from_le_bytes(bytes) as f32)),
        "i4" => Ok(typed(bytes, is_big, |bytes| i32::from_le_bytes(bytes) as f32)),
        "u4" => Ok(typed(bytes, is_big, |bytes| u32::from_le_bytes(bytes) as f32)),
        "i2" => Ok(typed(bytes, is_big, |bytes| f32::from(i16::from_le_bytes(bytes)))),
        "u2" => Ok(typed(bytes, is_big, |bytes| f32::from(u16::from_le_bytes(bytes)))),
        "i1" => Ok(typed(bytes, is_big, |[byte]| f32::from(byte as i8))),
        "b1" => Ok(typed(bytes, is_big, |[byte]| f32::from(u8::from(byte != 0)))),
        _ => Ok(typed(bytes, is_big, |[byte]| f32::from(byte))),
    }
}

fn typed<T, const N: usize>(bytes: &[u8], is_big: bool, of: fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    let number = |chunk: &[u8; N]| {
        let mut chunk = *chunk;
        if is_big {
            chunk.reverse();
        }
        of(chunk)
    };
    chunks.iter().map(number).collect()
}

/// Rounds to `f32`; fails if a finite value would become infinite.
fn narrow(numbers: &[f64]) -> Result<Vec<f32>, String> {
    let lost = |x: f64| x.is_finite() && !(x as f32).is_finite();
    match numbers.iter().enumerate().find(|&(_, &x)| lost(x)) {
        None => Ok(numbers.iter().map(|&x| x as f32).collect()),
        Some((place, x)) => Err(format!("{x:e} (element {place}) is beyond the range of f32")),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Dimension, arr0, array};
    use ndarray_npy::{WritableElement, WriteNpyExt};

    use super::*;

    fn file<T: WritableElement, D: Dimension>(array: &Array<T, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Array2<f32>> {
        read_npy_from(bytes, "t.npy")
    }

    /// A version 1 file with the given header and data.
    fn raw(dictionary: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{dictionary:<117}\n").bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn every_listed_element_type_is_read() {
        let want = array![[1., 2., 3.], [4., 5., 6.]];
        assert_eq!(read(&file(&want)).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(f64::from))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as i32))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as i64))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as u8))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as i8))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as i16))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as u16))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as u32))).unwrap(), want);
        assert_eq!(read(&file(&want.mapv(|x| x as u64))).unwrap(), want);
        assert_eq!(read(&file(&array![true, false])).unwrap(), array![[1.], [0.]]);
        assert_eq!(read(&file(&array![-7i8, 127])).unwrap(), array![[-7.], [127.]]);
        let half = "{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }";
        // 1.5, -2 and the largest.
        let bytes = [0x00, 0x3e, 0x00, 0xc0, 0xff, 0x7b];
        assert_eq!(read(&raw(half, &bytes)).unwrap(), array![[1.5], [-2.], [65504.]]);
        let big_endian = "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1), }";
        assert_eq!(read(&raw(big_endian, &1.5f32.to_be_bytes())).unwrap(), array![[1.5]]);
    }

    #[test]
    fn fortran_order_and_one_axis_become_row_major_matrices() {
        let columns = array![[1f64, 2.], [3., 4.], [5., 6.]];
        let bytes = file(&columns.t().to_owned());
        assert!(String::from_utf8_lossy(&bytes).contains("'fortran_order': True"));
        let read_back = read(&bytes).unwrap();
        assert!(read_back.is_standard_layout());
        assert_eq!(read_back, array![[1., 3., 5.], [2., 4., 6.]]);
        assert_eq!(read(&file(&array![7i64, 8])).unwrap(), array![[7.], [8.]]);
        assert_eq!(read(&file(&Array2::<f32>::zeros((0, 4)))).unwrap().dim(), (0, 4));
    }

    #[test]
    fn all_axes_but_the_first_become_one_in_either_order() {
        let images = Array::from_shape_fn((3, 2, 2, 5), |(a, b, c, d)| {
            (1000 * a + 100 * b + 10 * c + d) as f32
        });
        let wanted = images.to_shape((3, 20)).unwrap();
        assert_eq!(parse(&file(&images), 4).unwrap(), wanted);
        let turned = images.t().as_standard_layout().into_owned();
        let bytes = file(&turned.reversed_axes());
        assert!(String::from_utf8_lossy(&bytes).contains("'fortran_order': True"));
        let flat = parse(&bytes, 4).unwrap();
        assert!(flat.is_standard_layout());
        assert_eq!(flat, wanted);
        let error = parse(&file(&images), 2).unwrap_err();
        assert!(error.contains("read_npy_flat takes up to four"), "{error}");
        assert!(parse(&file(&Array::<f32, _>::zeros((1, 1, 1, 1, 1))), 4).is_err());
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let bytes = file(&array![[1f32, 2.], [3., 4.]]);
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]).unwrap_err();
            assert!(matches!(error, Error::Data { .. }), "{length}: {error}");
        }
        let error = read(&bytes[..bytes.len() - 1]).unwrap_err().to_string();
        assert!(error.contains("(16 bytes), the file has 15 bytes"), "{error}");
        let longer = [&bytes[..], &[0]].concat();
        assert!(read(&longer).unwrap_err().to_string().contains("has 17 bytes"));
    }

    #[test]
    fn a_header_that_claims_more_than_memory_holds_is_refused() {
        for shape in ["(9223372036854775807, 3)", "(0, 18446744073709551615)", "(4000000000,)"] {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
            let error = read(&raw(&header, &[])).unwrap_err();
            assert!(matches!(error, Error::Data { .. }), "{shape}: {error}");
        }
        let long_header = b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}";
        assert!(read(long_header).unwrap_err().to_string().contains("4294967295 bytes"));
    }

    #[test]
    fn a_header_is_short_and_its_shape_of_plain_numbers() {
        let data = 1f32.to_le_bytes().repeat(6);
        for shape in ["(0x2, 3)", "(2.0, 3)", "(-2, 3)", "(2, 3", "(,)", "2", "(2 3)", "(1_0,)"] {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            let error = read(&raw(&header, &data)).unwrap_err().to_string();
            assert!(error.contains("no dictionary of descr, fortran_order and shape"), "{error}");
        }
        let double = "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}";
        assert_eq!(read(&raw(double, &data)).unwrap().dim(), (2, 3));
        for inner in ["9".repeat(1_000_000), "(".repeat(1_000_000), "1,".repeat(400_000)] {
            let text =
                format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({inner}), }}\n");
            let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.bytes());
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains("over the limit of 10000") && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn error_texts_repeat_only_the_beginning_of_what_is_wrong() {
        let long = "x".repeat(9000);
        for header in [
            long.clone(),
            format!("{{'descr': '{long}', 'fortran_order': False, 'shape': (1,), }}"),
            format!(
                "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
                "1,".repeat(4000)
            ),
        ] {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.bytes());
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.len() < 300, "{error}");
        }
    }

    #[test]
    fn what_is_no_matrix_of_numbers_is_refused() {
        let error = read(b"PK\x03\x04 an archive").unwrap_err().to_string();
        assert!(error.contains("not an .npy file") && error.contains("a zip archive"), "{error}");
        let error = read(&file(&array![[[1f32]]])).unwrap_err().to_string();
        assert!(error.contains("shape [1, 1, 1]"), "{error}");
        assert!(read(&file(&arr0(1f32))).unwrap_err().to_string().contains("shape []"));
        let complex = "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }";
        let error = read(&raw(complex, &[0; 8])).unwrap_err().to_string();
        assert!(error.contains("'<c8'") && error.contains("uint8"), "{error}");
        let error = read_npy("no/such.npy").unwrap_err().to_string();
        assert!(error.starts_with("no/such.npy: "), "{error}");
    }

    #[test]
    fn finite_numbers_stay_finite() {
        let error = read(&file(&array![1.0, -1e300])).unwrap_err().to_string();
        assert!(error.contains("-1e300 (element 1)"), "{error}");
        let kept = read(&file(&array![f64::INFINITY, 1e-300, f64::NAN])).unwrap();
        assert_eq!((kept[[0, 0]], kept[[1, 0]]), (f32::INFINITY, 0.0));
        assert!(kept[[2, 0]].is_nan());
    }
}
