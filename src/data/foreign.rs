//! Recognition of other file formats by their first bytes.

use std::path::Path;

/// A format that the library does not read.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// The name, with an article.
    pub name: &'static str,
    /// Instructions for converting FILE to FILE.safetensors.
    convert: &'static str,
    begins: fn(&[u8]) -> bool,
}

impl Foreign {
    /// The message for a file, or for bytes in memory, that should have been safetensors.
    pub(crate) fn refusal(&self, file: Option<&Path>) -> String {
        let convert = file.map(|file| {
            let converted = self
                .convert
                .replace("FILE.safetensors", &literal(&file.with_extension("safetensors")));
            converted.replace("FILE", &literal(file))
        });
        let convert = convert.unwrap_or_else(|| self.convert.to_string());
        format!("it is {}, no safetensors file; {convert}", self.name)
    }
}

/// A path as it stands between the quotes of a Python string.
fn literal(path: &Path) -> String {
    path.display().to_string().replace('\\', r"\\").replace('\'', r"\'")
}

static FORMATS: [Foreign; 7] = [
    Foreign {
        name: "a PyTorch file of torch.save (.pt)",
        convert: "in Python, safetensors.torch.save_file(torch.load('FILE'), 'FILE.safetensors') converts a state_dict",
        begins: |bytes| is_zip(bytes) && holds(bytes, b"data.pkl"),
    },
    Foreign {
        name: "a NumPy archive (.npz)",
        convert: "in Python, safetensors.numpy.save_file(dict(numpy.load('FILE')), 'FILE.safetensors') converts it",
        begins: |bytes| is_zip(bytes) && holds(bytes, b".npy"),
    },
    Foreign {
        name: "a zip archive",
        convert: "unpack it and convert what is in it with Python's package safetensors",
        begins: is_zip,
    },
    Foreign {
        name: "a NumPy array (.npy)",
        convert: "in Python, safetensors.numpy.save_file({'NAME': numpy.load('FILE')}, 'FILE.safetensors') converts it; data are read with wgrad::data::read_npy",
        begins: |bytes| bytes.starts_with(b"\x93NUMPY"),
    },
    Foreign {
        name: "an HDF5 file (.h5)",
        convert: "in Python, read its arrays with h5py and write them with safetensors.numpy.save_file; a kernel of Keras is the transpose of a weight",
        begins: |bytes| bytes.starts_with(b"\x89HDF\r\n\x1a\n"),
    },
    Foreign {
        name: "a Python pickle",
        convert: "in Python, safetensors.torch.save_file(torch.load('FILE'), 'FILE.safetensors') converts a state_dict of an old torch.save",
        begins: |bytes| matches!(bytes, [0x80, 2..=5, ..]),
    },
    Foreign {
        name: "an ONNX model",
        convert: "in Python, safetensors.numpy.save_file({w.name: onnx.numpy_helper.to_array(w) for w in onnx.load('FILE').graph.initializer}, 'FILE.safetensors') writes its weights",
        // Protobuf: field 1 is a small version number, followed by a string, the graph or a list of operator sets.
        begins: |bytes| matches!(bytes, [8, 1..=32, 0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42, ..]),
    },
];

/// The format of a file that could not be read, if recognized.
pub(crate) fn recognize(bytes: &[u8]) -> Option<&'static Foreign> {
    // A damaged safetensors file still begins with a length and JSON.
    let is_damaged = bytes.get(8) == Some(&b'{');
    FORMATS.iter().find(|format| !is_damaged && (format.begins)(bytes))
}

fn is_zip(bytes: &[u8]) -> bool {
    [&b"PK\x03\x04"[..], b"PK\x05\x06"].iter().any(|magic| bytes.starts_with(magic))
}

/// Returns whether the name occurs near the start of an archive.
fn holds(bytes: &[u8], name: &[u8]) -> bool {
    let first = bytes.get(..4096).unwrap_or(bytes);
    first.windows(name.len()).any(|window| window == name)
}
