//! Weights of PyTorch and for PyTorch, and files of other formats.

use std::fs;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use wgrad::ndarray::Array2;
use wgrad::prelude::*;

use crate::support;
use crate::support::nets::{self, bits, devices, directory};

fn perceptron() -> Sequential {
    Sequential::new(5).dense(16).activation(Activation::relu()).dense(3)
}

const TORCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/torch_mlp.safetensors");

#[test]
fn the_weights_of_pytorch_give_the_outputs_of_pytorch() {
    let cases = support::golden::load("torch_mlp_outputs");
    let (x, y) = (cases[0].tensor("x"), cases[0].tensor("y"));
    let inputs = Array2::from_shape_vec((7, 5), x.f32()).unwrap();
    for device in devices() {
        let builder = Trainer::new(perceptron(), Loss::mse(), Optimizer::sgd());
        let mut trainer = builder.on(&device).unwrap();
        trainer.load_weights(TORCH).unwrap();
        let outputs = trainer.predict(inputs.view()).unwrap();
        for (got, want) in outputs.iter().zip(&y.values) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "on {device}: {got} {want}");
        }
    }
}

#[test]
fn what_is_saved_has_the_names_shapes_and_types_of_pytorch() {
    let path = directory("exchange").join("model.safetensors");
    let torch = fs::read(TORCH).unwrap();
    let wanted = SafeTensors::deserialize(&torch).unwrap();
    for device in devices() {
        let mut trainer =
            Trainer::new(perceptron(), Loss::mse(), Optimizer::adam()).on(&device).unwrap();
        trainer.load_weights(TORCH).unwrap();
        trainer.save(&path).unwrap();
        let saved = fs::read(&path).unwrap();
        let saved = SafeTensors::deserialize(&saved).unwrap();
        assert_eq!(saved.len(), wanted.len());
        for (name, want) in wanted.tensors() {
            let got = saved.tensor(&name).unwrap();
            assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()), "{name}");
            assert_eq!(got.data(), want.data(), "{name} on {device}");
        }
    }
}

#[test]
fn weights_of_another_network_are_refused_and_nothing_changes() {
    let mut trainer = nets::spiral().on(&Device::cpu());
    let before = bits(&trainer);
    let error = trainer.load_weights(TORCH).unwrap_err().to_string();
    assert!(error.contains("F32 [16, 5], expected F32 [64, 2]"), "{error}");
    let missing = trainer.load_weights("no/such/file.safetensors").unwrap_err().to_string();
    assert!(missing.contains("no/such/file.safetensors"), "{missing}");
    assert_eq!(bits(&trainer), before);
}

fn with_batch_norms() -> Trainer {
    let inside = |branch: Sequential| branch.batch_norm().dense(4);
    let model = Sequential::new(2).dense(4).batch_norm().residual(inside).dense(3);
    Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu()).unwrap()
}

#[test]
fn batch_counts_of_a_state_dict_are_passed_over_and_written() {
    let path = directory("batch_counts").join("model.safetensors");
    let mut trainer = with_batch_norms();
    trainer.fit(&data::spiral(10, 3, 0).unwrap(), Fit::epochs(2).batch(10)).unwrap();
    trainer.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["1.num_batches_tracked", "2.0.num_batches_tracked"] {
        let count = file.tensor(name).unwrap();
        assert_eq!((count.dtype(), count.shape()), (Dtype::I64, &[][..]), "{name}");
        assert_eq!(count.data(), 6i64.to_le_bytes(), "{name}");
    }
    let mut other = with_batch_norms();
    other.load_weights(&path).unwrap();
    assert_eq!(bits(&other), bits(&trainer));

    // Of any type, and only where there is a batch norm.
    let with = |name: &'static str| {
        let mut tensors: Vec<(String, TensorView)> = file.tensors();
        tensors.retain(|(name, _)| name != "1.num_batches_tracked");
        let extra = TensorView::new(Dtype::F16, vec![1, 2], &[0; 4]).unwrap();
        tensors.push((name.to_string(), extra));
        safetensors::serialize(tensors, None).unwrap()
    };
    other.load_weights_bytes(&with("1.num_batches_tracked")).unwrap();
    for name in ["0.num_batches_tracked", "1.num_batches", "num_batches_tracked"] {
        let error = other.load_weights_bytes(&with(name)).unwrap_err().to_string();
        assert!(error.contains(&format!("it has a tensor '{name}'")), "{error}");
    }
}

/// The beginning of an archive with an entry of this name.
fn zip(name: &str) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0; 22]);
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(name.bytes());
    bytes.extend([0; 64]);
    bytes
}

#[test]
fn a_file_of_another_format_is_called_by_its_name_with_a_way_to_convert_it() {
    let directory = directory("formats");
    let npy = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False".to_vec();
    let pickle = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    let onnx = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x80\x01".to_vec();
    for (file, bytes, words) in [
        ("model.pt", zip("archive/data.pkl"), ["torch.save (.pt)", "torch.load"]),
        ("model.npz", zip("weight.npy"), ["NumPy archive (.npz)", "numpy.load"]),
        ("model.zip", zip("model/weights"), ["zip archive", "unpack"]),
        ("model.npy", npy, ["NumPy array (.npy)", "read_npy"]),
        ("model.pkl", pickle, ["Python pickle", "torch.load"]),
        ("model.onnx", onnx, ["ONNX model", "onnx.load"]),
        ("model.h5", b"\x89HDF\r\n\x1a\n\x00\x00\x00".to_vec(), ["HDF5 file", "h5py"]),
    ] {
        let path = directory.join(file);
        fs::write(&path, &bytes).unwrap();
        let mut trainer = nets::spiral().on(&Device::cpu());
        for error in [
            trainer.load(&path).unwrap_err(),
            trainer.load_weights(&path).unwrap_err(),
            trainer.load_bytes(&bytes).unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{file}: {message}");
            assert!(message.contains("safetensors"), "{message}");
        }
    }
}

#[test]
fn the_line_that_converts_a_pytorch_file_names_it() {
    let path = directory("formats by name").join("the model's.pt");
    fs::write(&path, zip("archive/data.pkl")).unwrap();
    let message = nets::spiral().on(&Device::cpu()).load_weights(&path).unwrap_err().to_string();
    let quoted = path.display().to_string().replace('\'', r"\'");
    let line = format!(
        "safetensors.torch.save_file(torch.load('{quoted}'), '{}')",
        quoted.replace(".pt", ".safetensors")
    );
    assert!(message.contains(&line), "{message}");
}
