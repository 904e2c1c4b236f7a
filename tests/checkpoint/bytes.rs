//! Checkpoints as bytes, for hosts without files.

use std::fs;

use safetensors::SafeTensors;
use wgrad::prelude::*;

use crate::support::nets::{self, bits, devices, directory};

#[test]
fn a_run_goes_on_from_bytes_bit_for_bit() {
    for device in devices() {
        let net = nets::digits();
        let mut whole = net.on(&device);
        net.train(&mut whole, 2);
        let bytes = whole.to_bytes().unwrap();
        let mut resumed = net.builder.clone().seed(99).on(&device).unwrap();
        resumed.load_bytes(&bytes).unwrap();
        assert_eq!((resumed.step(), resumed.epoch()), (whole.step(), whole.epoch()));
        assert_eq!(net.train(&mut resumed, 2), net.train(&mut whole, 2));
        assert_eq!(bits(&resumed), bits(&whole), "{device}");

        // In a file they are a checkpoint, too.
        let path = directory("bytes").join("run");
        fs::write(&path, &bytes).unwrap();
        let mut loaded = net.on(&device);
        loaded.load(&path).unwrap();
        resumed.load_bytes(&bytes).unwrap();
        assert_eq!(bits(&loaded), bits(&resumed));
    }
}

#[test]
fn equal_trainers_give_equal_bytes() {
    for device in devices() {
        let saved = [0; 3].map(|_| nets::spiral().on(&device).to_bytes().unwrap());
        assert!(saved.iter().all(|bytes| *bytes == saved[0]), "{device}");
    }
}

#[test]
fn bytes_hold_the_parameters_as_pytorch_names_them_and_the_state() {
    let mut trainer = nets::spiral().on(&Device::cpu());
    let bytes = trainer.to_bytes().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    let params = ["0.bias", "0.weight", "2.bias", "2.weight"];
    let of = |state: &str| params.map(|param| format!("{state}/{param}"));
    let all = [params.map(String::from), of("exp_avg"), of("exp_avg_sq")].concat();
    assert_eq!(names, all);

    let half = &bytes[..bytes.len() / 2];
    let error = trainer.load_bytes(half).unwrap_err().to_string();
    assert!(error.starts_with("checkpoint: the bytes: "), "{error}");
    let net = nets::digits();
    let error = net.on(&Device::cpu()).load_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("the bytes: "), "{error}");
    let error = trainer.load_weights_bytes(&[]).unwrap_err().to_string();
    assert!(error.starts_with("checkpoint: the bytes: "), "{error}");
}
