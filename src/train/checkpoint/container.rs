//! Reads and writes tensors and text fields as the bytes of a safetensors file with a checksum over all of them.

use std::collections::BTreeMap;

use safetensors::tensor::{Metadata, TensorInfo, TensorView};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::data::foreign;
use crate::error::cut;
use crate::ir::MAX_COUNT;

/// The format that is written, and the newest one that is read.
const FORMAT: u64 = 2;

/// A value, or the error text for a message that names the file.
pub(crate) type FileResult<T> = std::result::Result<T, String>;

/// The text fields of a file.
pub(crate) type Fields = BTreeMap<String, String>;

/// A tensor to be written.
pub(crate) struct StoredTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: StoredValues,
}

/// The elements of a tensor to be written.
pub(crate) enum StoredValues {
    F32(Vec<f32>),
    /// A scalar count.
    I64(i64),
}

impl StoredTensor {
    fn view(&self) -> FileResult<(&str, TensorView<'_>)> {
        let (dtype, bytes) = match &self.values {
            StoredValues::F32(values) => (Dtype::F32, bytemuck::cast_slice(values)),
            StoredValues::I64(value) => (Dtype::I64, bytemuck::bytes_of(value)),
        };
        let view = TensorView::new(dtype, self.shape.clone(), bytes);
        Ok((&self.name, view.map_err(words)?))
    }
}

/// The bytes of a file.
pub(crate) fn write(tensors: &[StoredTensor], fields: Fields) -> FileResult<Vec<u8>> {
    let views = tensors.iter().map(StoredTensor::view).collect::<FileResult<Vec<_>>>()?;
    let unordered = fields.clone().into_iter().collect();
    let mut bytes = safetensors::serialize(views, Some(unordered)).map_err(words)?;
    order(&mut bytes, &fields)?;
    Ok(bytes)
}

/// Writes the fields in alphabetical order, so that equal content gives equal bytes.
fn order(bytes: &mut [u8], fields: &Fields) -> FileResult<()> {
    // The length of the header in 8 bytes comes first; the fields are the header's first entry.
    let begin = size_of::<u64>() + r#"{"__metadata__":"#.len();
    let ordered = serde_json::to_vec(fields).map_err(|error| error.to_string())?;
    let place = bytes.get_mut(begin..begin + ordered.len());
    place.ok_or("its header ends within its fields")?.copy_from_slice(&ordered);
    Ok(())
}

/// The bytes of a file with its format and the checksum of its content as fields, and that checksum.
pub(crate) fn write_checked(
    tensors: &[StoredTensor],
    mut fields: Fields,
) -> FileResult<(Vec<u8>, String)> {
    fields.insert("format".to_string(), format!("wgrad {FORMAT}"));
    let views = tensors.iter().map(StoredTensor::view).collect::<FileResult<BTreeMap<_, _>>>()?;
    let parts = views.iter().map(|(name, view)| (*name, view.dtype(), view.shape(), view.data()));
    let checksum = checksum_of(&fields, parts);
    fields.insert("checksum".to_string(), checksum.clone());
    Ok((write(tensors, fields)?, checksum))
}

fn words(error: SafeTensorError) -> String {
    cut(&error.to_string()).into_owned()
}

/// A file that was read.
pub(crate) struct Container<'a> {
    fields: Fields,
    tensors: Metadata,
    data: &'a [u8],
}

impl<'a> Container<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> FileResult<Self> {
        let (header, tensors) =
            SafeTensors::read_metadata(bytes).map_err(|error| refusal(bytes, error))?;
        let fields = tensors.metadata().clone().unwrap_or_default().into_iter().collect();
        // The header is preceded by its length in 8 bytes.
        let data = bytes.get(8 + header..).unwrap_or_default();
        Ok(Self { fields, tensors, data })
    }

    /// Reads a file that has a format field; fails if it has a checksum (from format 2 on) that does not match.
    pub(crate) fn read_checked(bytes: &'a [u8]) -> FileResult<Self> {
        let container = Self::read(bytes)?;
        if container.format()? >= 2 && container.field("checksum")? != container.checksum() {
            return Err("its checksum is not that of its content: it is damaged".to_string());
        }
        Ok(container)
    }

    pub(crate) fn format(&self) -> FileResult<u64> {
        let text = self.field("format")?;
        let number = text.strip_prefix("wgrad ").and_then(|number| number.parse().ok());
        match number {
            Some(number @ 1..=FORMAT) => Ok(number),
            Some(number) if number > FORMAT => Err(format!(
                "it has format {number}, of a newer version of wgrad; this one reads up to {FORMAT}"
            )),
            _ => Err(format!("its field 'format' is '{}', not 'wgrad {FORMAT}'", cut(text))),
        }
    }

    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    pub(crate) fn field(&self, name: &str) -> FileResult<&str> {
        self.get(name).ok_or_else(|| format!("it has no field '{name}'"))
    }

    pub(crate) fn number(&self, name: &str) -> FileResult<u64> {
        let text = self.field(name)?;
        text.parse().map_err(|_| format!("its field '{name}' is '{}', not a number", cut(text)))
    }

    /// As [`Container::number`], for a count of steps or epochs.
    pub(crate) fn count(&self, name: &str) -> FileResult<u64> {
        match self.number(name)? {
            count if count <= MAX_COUNT => Ok(count),
            count => Err(format!("its field '{name}' is {count}, above {MAX_COUNT}")),
        }
    }

    /// The names of the tensors, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = self.tensors.offset_keys();
        names.sort();
        names
    }

    /// The elements of the tensor; fails unless it has this shape.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> FileResult<Vec<f32>> {
        let info = self
            .tensors
            .info(name)
            .ok_or_else(|| format!("it has no tensor '{name}' of shape {shape:?}"))?;
        if info.dtype != Dtype::F32 || info.shape != shape {
            let (dtype, found) = (info.dtype, format!("{:?}", info.shape));
            let found = cut(&found);
            return Err(format!("'{name}' is {dtype:?} {found}, expected F32 {shape:?}"));
        }
        Ok(bytemuck::pod_collect_to_vec(self.bytes(info)))
    }

    /// As [`Container::tensor`], also from F16, BF16 and F64; returns the name of the type if it was converted.
    pub(crate) fn converted(
        &self,
        name: &str,
        shape: &[usize],
    ) -> FileResult<(Vec<f32>, Option<String>)> {
        let Some(info) = self.tensors.info(name).filter(|info| info.shape == shape) else {
            return self.tensor(name, shape).map(|values| (values, None));
        };
        let bytes = self.bytes(info);
        let values = match info.dtype {
            Dtype::F16 => floats(bytes, |bytes| half::f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => floats(bytes, |bytes| half::bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => floats(bytes, f64::from_le_bytes).into_iter().map(narrow).collect(),
            _ => return self.tensor(name, shape).map(|values| (values, None)),
        };
        if info.dtype == Dtype::F64 && values.iter().any(|value: &f32| value.is_infinite()) {
            return Err(format!("'{}' has numbers beyond the range of f32", cut(name)));
        }
        Ok((values, Some(format!("{:?}", info.dtype))))
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    fn bytes(&self, info: &TensorInfo) -> &'a [u8] {
        let (start, end) = info.data_offsets;
        self.data.get(start..end).unwrap_or_default()
    }

    /// The checksum of everything except the checksum field.
    pub(crate) fn checksum(&self) -> String {
        let mut fields = self.fields.clone();
        fields.remove("checksum");
        let tensors = self.tensors.tensors().into_iter().collect::<BTreeMap<_, _>>();
        let parts = tensors.iter().map(|(name, info)| {
            (name.as_str(), info.dtype, info.shape.as_slice(), self.bytes(info))
        });
        checksum_of(&fields, parts)
    }
}

fn floats<T, const N: usize>(bytes: &[u8], of: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| of(*bytes)).collect()
}

fn narrow(value: f64) -> f32 {
    value as f32
}

/// The checksum of fields alone.
pub(crate) fn checksum_of_fields(fields: &Fields) -> String {
    checksum_of(fields, std::iter::empty())
}

/// The error text for a file that cannot be read.
fn refusal(bytes: &[u8], error: SafeTensorError) -> String {
    match foreign::recognize(bytes) {
        Some(kind) => kind.refusal(None),
        None => format!("it is no whole safetensors file: {}", words(error)),
    }
}

fn checksum_of<'a>(
    fields: &Fields,
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
) -> String {
    let fields = fields
        .iter()
        .fold(Checksum::new(), |sum, (name, text)| sum.part(name.as_bytes()).part(text.as_bytes()));
    let all = tensors.fold(fields, |sum, (name, dtype, shape, data)| {
        sum.part(name.as_bytes()).part(format!("{dtype:?} {shape:?}").as_bytes()).part(data)
    });
    all.text()
}

/// The checksum of the bits of parameters.
pub(crate) fn checksum_of_values(tensors: &[Vec<f32>]) -> String {
    let add = |sum: Checksum, values: &Vec<f32>| sum.bytes(bytemuck::cast_slice(values));
    tensors.iter().fold(Checksum::new(), add).text()
}

/// FNV-1a, which a single changed byte always changes.
struct Checksum(u64);

impl Checksum {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }

    /// Adds the length and the bytes of a part, so that moving bytes from one part to the next changes the checksum.
    fn part(self, bytes: &[u8]) -> Self {
        self.bytes(&(bytes.len() as u64).to_le_bytes()).bytes(bytes)
    }

    fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}
