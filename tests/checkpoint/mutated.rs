//! Damaged files of every format that is read: an answer or an error, and no other content than was saved.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use safetensors::SafeTensors;
use wgrad::Error;
use wgrad::data::{CsvOptions, read_csv_from, read_npy_from};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use crate::support::nets::directory;
use crate::support::run;

/// Random numbers of a seed.
struct Numbers {
    key: Key,
    count: u32,
}

impl Numbers {
    fn new(seed: u64) -> Self {
        Self { key: Key::new(seed, Stream::Shuffle), count: 0 }
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.count += 1;
        self.key.words(0, self.count)[0] as usize % end
    }
}

/// What a header or a cell is replaced by.
const TEXTS: [&str; 24] = [
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "4294967296",
    "-1",
    "0",
    "0x2",
    "1e999",
    "1e39",
    "nan",
    "inf",
    "\"",
    "'",
    "{",
    "}",
    "((((((((((((((((((((",
    "[[[[[[[[[[[[[[[[[[[[",
    ",",
    "\\u0000",
    "\u{feff}",
    "\r\n",
    "wgrad 1",
    "wgrad 3",
    "F64",
];

/// One damage, or a few, of a file.
fn mutated(whole: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..1 + numbers.below(3) {
        if bytes.is_empty() {
            break;
        }
        let place = numbers.below(bytes.len());
        let end = place + numbers.below(bytes.len() - place + 1).min(40);
        match numbers.below(9) {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 1 << numbers.below(8),
            2 => bytes[place] = numbers.below(256) as u8,
            3 => drop(bytes.splice(place..end, TEXTS[numbers.below(TEXTS.len())].bytes())),
            4 => drop(bytes.drain(place..end)),
            // Another length of the header.
            5 => {
                let length = [0, 1, 1 << 20, 1 << 31, u64::MAX, u64::MAX - 7][numbers.below(6)];
                bytes.splice(..8.min(bytes.len()), length.to_le_bytes());
            }
            // The header of another file, or its data.
            6 => {
                let place = place.min(other.len());
                bytes.splice(..place.min(bytes.len()), other[..place].iter().copied());
            }
            7 => bytes.extend_from_slice(&whole[place.min(whole.len())..]),
            _ => {
                let part = bytes[place..end].to_vec();
                let place = numbers.below(bytes.len());
                bytes.splice(place..place, part);
            }
        }
    }
    bytes
}

/// Fails for an error that is no answer.
fn check(error: &Error) {
    assert!(!matches!(error, Error::Internal(_)), "{error}");
    assert!(error.to_string().len() < 1200, "{} bytes of {error}", error.to_string().len());
}

/// Runs as many mutations as this run takes; what fails says its seed.
fn mutations(formats: u64, mut take: impl FnMut(&mut Numbers)) {
    let all = run::count(500, 20_000) as u64;
    for seed in 0..all / formats {
        let outcome = catch_unwind(AssertUnwindSafe(|| take(&mut Numbers::new(seed))));
        assert!(outcome.is_ok(), "the mutation of seed {seed}");
    }
}

/// Tensors and fields.
type Content = (BTreeMap<String, Vec<u8>>, BTreeMap<String, String>);

fn content(trainer: &Trainer) -> Content {
    let bytes = trainer.to_bytes().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter();
    let tensors = tensors.map(|(name, tensor)| (name, tensor.data().to_vec())).collect();
    (tensors, header.metadata().clone().unwrap().into_iter().collect())
}

fn trainer(seed: u64) -> Trainer {
    let model = Sequential::new(2).dense(3).batch_norm().activation(Activation::tanh()).dense(3);
    let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam());
    builder.accumulate(2).seed(seed).on(&Device::cpu()).unwrap()
}

fn trained(seed: u64) -> Trainer {
    let mut trainer = trainer(seed);
    trainer.fit(&data::spiral(4, 3, 0).unwrap(), Fit::epochs(3).batch(4)).unwrap();
    trainer
}

#[test]
fn a_mutated_checkpoint_gives_what_was_saved_or_an_error() {
    let directory = directory("mutated");
    let path = directory.join("run.safetensors");
    let files = [path.clone(), directory.join("run.state.safetensors")];
    let read = |seed| {
        trained(seed).save(&path).unwrap();
        files.each_ref().map(|file| fs::read(file).unwrap())
    };
    let (other, whole) = (read(2), read(1));
    let bytes = [1, 2].map(|seed| trained(seed).to_bytes().unwrap());
    let saved = content(&trained(1));
    let rows = data::spiral(4, 3, 0).unwrap();
    let wanted = trained(1).predict(rows.inputs()).unwrap();
    let mut loaded = [0; 3];
    mutations(5, |numbers| {
        for number in 0..3 {
            let mut trainer = trainer(3);
            let before = content(&trainer);
            let result = if number == 2 {
                trainer.load_bytes(&mutated(&bytes[0], &bytes[1], numbers))
            } else {
                let mutated = mutated(&whole[number], &other[number], numbers);
                fs::write(&files[number], &mutated).unwrap();
                fs::write(&files[1 - number], &whole[1 - number]).unwrap();
                let _ = trainer.load_weights(&files[number]).map_err(|error| check(&error));
                match Model::from_bytes(&mutated, &Device::cpu()) {
                    Ok(model) => assert_eq!(model.predict(rows.inputs()).unwrap(), wanted),
                    Err(error) => check(&error),
                }
                trainer = self::trainer(3);
                trainer.load(&path)
            };
            loaded[number] += usize::from(result.is_ok());
            match result {
                Ok(()) => assert_eq!(content(&trainer), saved),
                Err(error) => {
                    check(&error);
                    assert_eq!(content(&trainer), before);
                }
            }
        }
    });
    println!("{loaded:?} were loaded with their content whole");
}

#[test]
fn a_mutated_table_is_read_or_refused() {
    let row = |row: u32| format!("{row},{}.5,-1e-{row},{}\n", row * 7, row % 3);
    let csv: String =
        std::iter::once("a,b,\"c d\",kind\n".to_string()).chain((0..20).map(row)).collect();
    let options = [
        CsvOptions::class("kind"),
        CsvOptions::values(["b", "kind"]),
        CsvOptions::class(3).no_header(),
        CsvOptions::values([0]).delimiter(b';'),
    ];
    let npy = |version: u8, text: &str, data: usize| {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        let length = (text.len() as u32).to_le_bytes();
        bytes.extend(if version == 1 { &length[..2] } else { &length[..] });
        bytes.extend(text.bytes());
        bytes.extend((0..data).map(|byte| byte as u8));
        bytes
    };
    let arrays = [
        npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }      \n", 48),
        npy(1, "{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3), }\n", 48),
        npy(2, "{'descr': '<i8', 'fortran_order': False, 'shape': (6,), }\n", 48),
        npy(3, "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 2), }\n", 10),
    ];
    arrays.iter().for_each(|array| drop(read_npy_from(&array[..], "whole").unwrap()));
    let files: PathBuf = "table".into();
    let origin = files.display().to_string();
    mutations(5, |numbers| {
        let options = &options[numbers.below(4)];
        let mutated_csv = mutated(csv.as_bytes(), &arrays[0], numbers);
        let _ = read_csv_from(&mutated_csv[..], &origin, options).map_err(|error| check(&error));
        let [array, other] = [numbers.below(4), numbers.below(4)].map(|place| &arrays[place]);
        let mutated_npy = mutated(array, other, numbers);
        let _ = read_npy_from(&mutated_npy[..], &origin).map_err(|error| check(&error));
    });
}
