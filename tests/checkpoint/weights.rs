//! Weights files with other names, other types and other tensors.

use std::fs;
use std::path::PathBuf;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use wgrad::prelude::*;
use wgrad::train::WeightsFile;

use crate::support::nets::{bits, directory};

fn trainer() -> Trainer {
    let model = Sequential::new(2).dense(3).activation(Activation::relu()).dense(1);
    Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&Device::cpu()).unwrap()
}

/// A file of tensors that hold multiples of a quarter, which every type holds exactly.
fn file(name: &str, tensors: &[(&str, &[usize], Dtype)]) -> PathBuf {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape, dtype)| {
            let numbers = (0..shape.iter().product::<usize>()).map(|i| i as f32 / 4.0 - 0.5);
            let bytes = numbers.map(|x| match dtype {
                Dtype::F64 => f64::from(x).to_le_bytes().to_vec(),
                // The upper half of an f32.
                Dtype::BF16 => x.to_le_bytes()[2..].to_vec(),
                Dtype::F16 => half(x).to_le_bytes().to_vec(),
                _ => x.to_le_bytes().to_vec(),
            });
            bytes.flatten().collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, dtype), bytes)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
    });
    let path = directory(name).join("weights.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

/// The bits of an f16, of a number that it holds exactly.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let (sign, exponent) = ((bits >> 16 & 0x8000) as u16, (bits >> 23 & 0xff) as u16);
    if exponent == 0 { sign } else { sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff) as u16 }
}

const SHAPES: [&[usize]; 4] = [&[3, 2], &[3], &[1, 3], &[1]];

fn named(names: [&str; 4], dtype: Dtype) -> Vec<(&str, &'static [usize], Dtype)> {
    names.into_iter().zip(SHAPES).map(|(name, shape)| (name, shape, dtype)).collect()
}

const OWN: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];

#[test]
fn every_float_type_gives_the_same_weights_and_the_conversion_is_told() {
    let mut plain = trainer();
    let report = plain.load_weights(file("types", &named(OWN, Dtype::F32))).unwrap();
    assert_eq!(report.loaded, OWN);
    assert_eq!(report.to_string(), "4 parameters loaded");
    for (dtype, name) in [(Dtype::F16, "F16"), (Dtype::BF16, "BF16"), (Dtype::F64, "F64")] {
        let mut other = trainer();
        let report = other.load_weights(file("types", &named(OWN, dtype))).unwrap();
        assert_eq!(bits(&other), bits(&plain), "{name}");
        assert_eq!(report.converted[3], ("2.bias".to_string(), name.to_string()));
        assert_eq!(
            report.to_string(),
            format!("4 parameters loaded, 4 of them converted from {name}")
        );
    }
    let error = plain.load_weights(file("types", &named(OWN, Dtype::I32))).unwrap_err().to_string();
    assert!(error.contains("'0.weight' is I32 [3, 2], expected F32 [3, 2]"), "{error}");
}

#[test]
fn tensors_are_renamed_by_prefix() {
    let mut plain = trainer();
    plain.load_weights(file("renamed", &named(OWN, Dtype::F32))).unwrap();
    let fc =
        file("renamed", &named(["fc1.weight", "fc1.bias", "fc.weight", "fc.bias"], Dtype::F32));
    let mut other = trainer();
    let error = other.load_weights(&fc).unwrap_err().to_string();
    let wanted = "it has no tensor '0.weight' of shape [3, 2], only fc.bias, fc.weight, fc1.bias, fc1.weight";
    assert!(error.ends_with(wanted), "{error}");
    other.load_weights(WeightsFile::new(&fc).rename("fc", "2").rename("fc1", "0")).unwrap();
    assert_eq!(bits(&other), bits(&plain));
    let prefixed = OWN.map(|name| format!("model.net.{name}"));
    let prefixed = file("prefixed", &named(prefixed.each_ref().map(String::as_str), Dtype::F32));
    let mut other = trainer();
    other.load_weights(WeightsFile::new(prefixed).rename("model.net", "")).unwrap();
    assert_eq!(bits(&other), bits(&plain));
    let twice = WeightsFile::new(&fc).rename("fc", "0").rename("fc1", "0");
    let error = other.load_weights(twice).unwrap_err().to_string();
    assert!(error.contains("'fc.bias' and 'fc1.bias' are for the same parameter"), "{error}");
}

#[test]
fn a_part_is_loaded_with_a_list_of_what_was_left() {
    let tensors: [(&str, &[usize], Dtype); 3] = [
        ("0.weight", &[3, 2], Dtype::F32),
        ("0.bias", &[3], Dtype::F16),
        ("head.weight", &[9, 3], Dtype::F32),
    ];
    let path = file("partial", &tensors);
    let mut plain = trainer();
    let before = bits(&plain);
    let error = plain.load_weights(&path).unwrap_err().to_string();
    assert!(error.contains("it has no tensor '2.weight'"), "{error}");
    assert_eq!(bits(&plain), before);
    let report = plain.load_weights(WeightsFile::new(&path).partial()).unwrap();
    assert_eq!(
        (&report.loaded[..], &report.missing[..]),
        (&OWN.map(String::from)[..2], &OWN.map(String::from)[2..])
    );
    assert_eq!(report.left, ["head.weight"]);
    let text = "2 parameters loaded, 1 of them converted from F16; left in the file: head.weight; not in the file: \
                2.weight, 2.bias";
    assert_eq!(report.to_string(), text);
    let after = bits(&plain);
    assert!(after[0] != before[0] && after[2..] == before[2..]);
    // Nothing in common is a mistake.
    let none = file("partial", &tensors[2..]);
    let error = plain.load_weights(WeightsFile::new(&none).partial()).unwrap_err().to_string();
    assert!(error.contains("expected are 0.weight, 0.bias, 2.weight, 2.bias"), "{error}");
    let shape = file("partial", &[("0.weight", &[2, 2], Dtype::F32)]);
    assert!(plain.load_weights(WeightsFile::new(&shape).partial()).is_err());
}
