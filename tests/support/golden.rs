//! Reads the golden files: inputs and results of PyTorch in float64. `tools/golden/common.py` says what they hold.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

const COMMAND: &str = "pip install -r tools/golden/requirements.txt && python tools/golden/make.py";

/// A tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Tensor {
    /// The values for an engine in `f32`; exact for inputs.
    pub fn f32(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    /// The values as class indices.
    pub fn labels(&self) -> Vec<u32> {
        self.values.iter().map(|&value| value as u32).collect()
    }

    /// One row of a matrix.
    pub fn row(&self, row: usize) -> &[f64] {
        let cols = self.shape[self.shape.len() - 1];
        &self.values[row * cols..(row + 1) * cols]
    }
}

/// One op with its options, inputs and results.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in its file, `op.variant.reduction` or `op.variant.stream`.
    pub name: String,
    /// The op's name in the registry.
    pub op: String,
    /// Losses: `none`, `mean` or `sum`.
    pub reduction: Option<String>,
    /// Optimizers: `random`, `sparse` or `scaled`.
    pub stream: Option<String>,
    /// What differs from the defaults; true is 1, false 0.
    pub options: BTreeMap<String, f64>,
    tensors: BTreeMap<String, Tensor>,
}

impl Case {
    /// The tensor of a role: x, y, grad_out, grad_in, target, labels, weight, pos_weight, class_weight, param_0, grads,
    /// param_1, param_100, state.NAME.
    pub fn tensor(&self, role: &str) -> &Tensor {
        let roles = || self.roles().collect::<Vec<_>>().join(", ");
        self.get(role).unwrap_or_else(|| panic!("{} has no {role}, only {}", self.name, roles()))
    }

    /// The tensor of a role that not every case has.
    pub fn get(&self, role: &str) -> Option<&Tensor> {
        self.tensors.get(role)
    }

    /// The roles that this case has.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// An option, if it differs from its default.
    pub fn option(&self, name: &str) -> Option<f64> {
        self.options.get(name).copied()
    }

    /// An option that is on or off, off by default.
    pub fn flag(&self, name: &str) -> bool {
        self.option(name).is_some_and(|value| value != 0.0)
    }
}

/// The cases of `tests/golden/<name>.safetensors`. A missing or broken file is a failure, with the command that makes it.
pub fn load(name: &str) -> Vec<Case> {
    try_load(name).unwrap_or_else(|message| panic!("{message}"))
}

/// As [`load`], with the failure as text.
pub fn try_load(name: &str) -> Result<Vec<Case>, String> {
    let path = format!("tests/golden/{name}.safetensors");
    let refuse = |message: String| format!("{path}: {message}; it is made by `{COMMAND}`");
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&path);
    let bytes = std::fs::read(place).map_err(|error| refuse(error.to_string()))?;
    parse(&bytes).map_err(refuse)
}

fn parse(bytes: &[u8]) -> Result<Vec<Case>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let cases = header.metadata().as_ref().and_then(|metadata| metadata.get("cases"));
    let cases = cases.ok_or("no cases in the metadata")?;
    let cases: Vec<Value> = serde_json::from_str(cases).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    cases.iter().map(|case| parse_case(case, &file)).collect()
}

fn parse_case(case: &Value, file: &SafeTensors) -> Result<Case, String> {
    let text = |key: &str| case[key].as_str().map(String::from);
    let name = text("name").ok_or("a case without a name")?;
    let map = |key: &str| case[key].as_object().ok_or(format!("{name} has no {key}"));
    let mut options = BTreeMap::new();
    for (key, value) in map("options")? {
        let number = value.as_f64().or(value.as_bool().map(f64::from));
        options.insert(key.clone(), number.ok_or(format!("{name}: {key} is {value}"))?);
    }
    let mut tensors = BTreeMap::new();
    for (role, tensor) in map("tensors")? {
        tensors.insert(role.clone(), read_tensor(file, tensor.as_str().unwrap_or_default())?);
    }
    let op = text("op").ok_or(format!("{name} has no op"))?;
    Ok(Case { op, reduction: text("reduction"), stream: text("stream"), options, tensors, name })
}

fn read_tensor(file: &SafeTensors, name: &str) -> Result<Tensor, String> {
    let view = file.tensor(name).map_err(|error| error.to_string())?;
    if view.dtype() != Dtype::F64 {
        return Err(format!("{name} is {:?}, not F64", view.dtype()));
    }
    let (numbers, rest) = view.data().as_chunks::<8>();
    assert!(rest.is_empty(), "{name}");
    let values = numbers.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    Ok(Tensor { shape: view.shape().to_vec(), values })
}
