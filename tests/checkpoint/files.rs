//! The two files of a checkpoint: their names, what they replace, and what is left where that fails.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::thread;

use safetensors::SafeTensors;
use wgrad::Error;
use wgrad::prelude::*;

use crate::support::nets::{bits, directory};

fn small(seed: u64) -> Trainer {
    let model = Sequential::new(2).dense(3);
    let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).seed(seed);
    builder.on(&Device::cpu()).unwrap()
}

/// A trainer with a seed of its own that has taken as many steps.
fn trained(seed: u64) -> Trainer {
    let mut trainer = small(seed);
    trainer.fit(&data::spiral(4, 3, 0).unwrap(), Fit::epochs(seed)).unwrap();
    trainer
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Fails unless the checkpoint is that of [`trained`] with this seed.
#[track_caller]
fn holds(path: &Path, seed: u64) {
    let mut loaded = small(99);
    loaded.load(path).unwrap();
    assert_eq!((loaded.step(), bits(&loaded)), (seed, bits(&trained(seed))), "{}", path.display());
}

#[test]
fn checkpoints_of_every_name_have_a_state_of_their_own() {
    let directory = directory("names");
    let names = [
        "model-0.25",
        "model-0.19",
        "model",
        "model.safetensors",
        "model.st",
        "model.state",
        "model.partial",
        "model.safetensors.old",
        ".safetensors",
        "state.safetensors",
    ];
    for (name, seed) in names.iter().zip(1..) {
        trained(seed).save(directory.join(name)).unwrap();
    }
    for (name, seed) in names.iter().zip(1..) {
        holds(&directory.join(name), seed);
    }
    assert_eq!(entries(&directory).len(), 2 * names.len(), "{:?}", entries(&directory));
    assert!(directory.join("model.state.safetensors").exists());
    for name in ["model.state.safetensors", "model-0.25.trainer-state", "", "..", "/"] {
        let error = small(1).save(directory.join(name)).unwrap_err();
        assert!(matches!(error, Error::Checkpoint(_)), "{name}: {error}");
        let fit = Fit::epochs(1).checkpoint(directory.join(name), 1);
        assert!(small(1).fit(&data::spiral(4, 3, 0).unwrap(), fit).is_err(), "{name}");
    }
}

#[test]
fn threads_save_to_different_paths_and_to_the_same_one_at_once() {
    let directory = directory("threads");
    let rounds = 25;
    thread::scope(|scope| {
        for seed in 1..=4 {
            let directory = &directory;
            scope.spawn(move || {
                let (trainer, shared) = (trained(seed), directory.join("shared"));
                let own = directory.join(format!("spiral-lr0.{seed}"));
                for _ in 0..rounds {
                    trainer.save(&own).unwrap();
                    trainer.save(&shared).unwrap();
                    holds(&own, seed);
                    let mut loaded = small(99);
                    loaded.load(&shared).unwrap();
                    assert_eq!(bits(&loaded), bits(&trained(loaded.step())));
                }
            });
        }
    });
    for seed in 1..=4 {
        holds(&directory.join(format!("spiral-lr0.{seed}")), seed);
    }
    assert_eq!(entries(&directory).len(), 10, "{:?}", entries(&directory));
}

#[test]
#[cfg(unix)]
fn symbolic_links_are_followed() {
    use std::os::unix::fs::symlink;
    let directory = directory("links");
    fs::create_dir(directory.join("there")).unwrap();
    let (link, dangling) = (directory.join("latest"), directory.join("next.safetensors"));
    symlink("there/run.safetensors", &link).unwrap();
    symlink("there/new.safetensors", &dangling).unwrap();
    trained(1).save(directory.join("there/run.safetensors")).unwrap();
    for (link, place) in [(&link, "there/run.safetensors"), (&dangling, "there/new.safetensors")] {
        trained(2).save(link).unwrap();
        assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        holds(link, 2);
        holds(&directory.join(place), 2);
    }
    assert_eq!(entries(&directory), ["latest", "next.safetensors", "there"]);
    assert_eq!(entries(&directory.join("there")).len(), 4);

    // Both files as links into one store, as caches keep them.
    let (weights, state) = (directory.join("a.safetensors"), directory.join("a.state.safetensors"));
    fs::rename(directory.join("there/new.safetensors"), directory.join("there/1")).unwrap();
    fs::rename(directory.join("there/new.state.safetensors"), directory.join("there/2")).unwrap();
    symlink("there/1", &weights).unwrap();
    symlink("there/2", &state).unwrap();
    holds(&weights, 2);

    let round = directory.join("round");
    symlink("round", &round).unwrap();
    let error = small(1).save(&round).unwrap_err().to_string();
    assert!(error.contains("symbolic links"), "{error}");
}

#[test]
fn folders_and_devices_are_refused_and_nothing_is_left_behind() {
    let directory = directory("kinds");
    let refused = |path: &Path, words: &str| {
        let trainer = &mut small(1);
        for error in [trainer.save(path).unwrap_err(), trainer.load(path).unwrap_err()] {
            let message = error.to_string();
            assert!(matches!(error, Error::Checkpoint(_)) && message.contains(words), "{message}");
        }
        assert!(small(1).load_weights(path).unwrap_err().to_string().contains(words));
    };
    fs::create_dir(directory.join("folder")).unwrap();
    refused(&directory.join("folder"), "it is a folder");
    for device in ["/dev/null", "/dev/zero"].map(Path::new) {
        if device.exists() {
            refused(device, "it is a device");
            assert!(!fs::metadata(device).unwrap().is_file());
        }
    }
    trained(1).save(directory.join("run")).unwrap();
    let before = fs::read(directory.join("run")).unwrap();
    fs::remove_file(directory.join("run.trainer-state")).unwrap();
    fs::create_dir(directory.join("run.trainer-state")).unwrap();
    assert!(trained(2).save(directory.join("run")).is_err());
    assert_eq!(fs::read(directory.join("run")).unwrap(), before);

    // The name of the state, or of a file on its way, can be too long where that of the weights is not.
    for length in [225, 250] {
        assert!(trained(2).save(directory.join("x".repeat(length))).is_err());
    }
    assert!(trained(2).save(directory.join("run/below")).is_err());
    assert_eq!(entries(&directory), ["folder", "run", "run.trainer-state"]);
}

const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/checkpoint_1.safetensors");

/// The trainer that the old checkpoint was saved from.
fn old_trainer() -> Trainer {
    let model = Sequential::new(2).dense(3).batch_norm().activation(Activation::tanh()).dense(3);
    let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam());
    builder.accumulate(2).clip_norm(1.0).on(&Device::cpu()).unwrap()
}

#[test]
fn a_pair_of_the_first_format_is_loaded() {
    let directory = directory("old");
    let old_state = OLD.replace(".safetensors", ".state.safetensors");
    // As the first version named them.
    for (weights, state) in [
        ("run.safetensors", "run.state.safetensors"),
        ("run.st", "run.state.safetensors"),
        ("model-0.25", "model-0.state.safetensors"),
        ("cut.safetensors", "cut.state.partial"),
    ] {
        let path = directory.join(weights);
        fs::copy(OLD, &path).unwrap();
        fs::copy(&old_state, directory.join(state)).unwrap();
        let mut trainer = old_trainer();
        trainer.load(&path).unwrap();
        assert_eq!((trainer.step(), trainer.epoch()), (15, 5), "{weights}");
        assert_eq!(
            trainer.parameters().unwrap()[0].1.as_slice().unwrap()[..2],
            [0.925_582_47, 0.583_480_24]
        );
        let history =
            trainer.fit(&data::spiral(8, 3, 0).unwrap(), Fit::epochs(1).batch(10)).unwrap();
        assert_eq!(history.last().unwrap().rate, 0.02);

        // What is saved of it has the same state.
        trainer.load(&path).unwrap();
        let saved = directory.join("again.safetensors");
        trainer.save(&saved).unwrap();
        let [old, new] = [old_state.clone().into(), directory.join("again.state.safetensors")]
            .map(|path: std::path::PathBuf| fs::read(path).unwrap());
        let [old, new] = [&old, &new].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        assert_eq!(old.len(), new.len());
        for (name, tensor) in old.tensors() {
            assert_eq!(new.tensor(&name).unwrap(), tensor, "{name}");
        }
    }
    assert!(directory.join("cut.state.safetensors").exists());
    assert!(!directory.join("cut.state.partial").exists());
}

/// The state file with other metadata.
fn edited(path: &Path, edit: impl FnOnce(&mut HashMap<String, String>)) {
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut fields = header.metadata().clone().unwrap();
    edit(&mut fields);
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    fs::write(path, safetensors::serialize(tensors, Some(fields)).unwrap()).unwrap();
}

#[test]
fn a_newer_format_and_another_one_are_refused() {
    let path = directory("formats_of_state").join("run.safetensors");
    let state = path.with_extension("state.safetensors");
    for (format, words) in [
        ("wgrad 3", "a newer version of wgrad; this one reads up to 2"),
        ("wgrad 18446744073709551615", "a newer version of wgrad"),
        ("wgrad 0", "its field 'format' is 'wgrad 0'"),
        ("pt", "its field 'format' is 'pt'"),
        ("wgrad 1", "does not belong"),
        ("wgrad 2 ", "its field 'format' is"),
    ] {
        trained(1).save(&path).unwrap();
        edited(&state, |fields| {
            fields.insert("format".to_string(), format.to_string());
        });
        let error = small(1).load(&path).unwrap_err().to_string();
        assert!(error.contains(words), "{format}: {error}");
    }
}

#[test]
fn everything_in_a_state_is_protected_by_its_checksum() {
    let path = directory("protected").join("run.safetensors");
    let state = path.with_extension("state.safetensors");
    trained(3).save(&path).unwrap();
    let mut trainer = small(9);
    trainer.load(&path).unwrap();
    for (field, text) in [
        ("step", "4"),
        ("skipped", "1"),
        ("epoch", "7"),
        ("seed", "8"),
        ("plateau", "0.5 inf 0 0"),
        ("optimizer", "adam(lr=0.5)"),
        ("accumulate", "1 "),
        ("something", "else"),
        ("weights", "0123456789abcdef"),
    ] {
        trained(3).save(&path).unwrap();
        edited(&state, |fields| {
            fields.insert(field.to_string(), text.to_string());
        });
        let error = trainer.load(&path).unwrap_err().to_string();
        assert!(error.contains("its checksum is not that of its content"), "{field}: {error}");
    }
    trained(3).save(&path).unwrap();
    let whole = fs::read(&state).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for place in header..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&state, bytes).unwrap();
        let error = trainer.load(&path).unwrap_err().to_string();
        assert!(error.contains("its checksum is not that of its content"), "{place}: {error}");
    }
}

#[test]
fn a_save_that_ended_between_the_two_files_is_noticed_and_mended() {
    let directory = directory("between");
    let path = directory.join("run.safetensors");
    let state = path.with_extension("state.safetensors");
    // The same parameters, but another optimizer: nothing but the pair tells them apart.
    let mut trainer = trained(2);
    trainer.save(&path).unwrap();
    let first = fs::read(&state).unwrap();
    trainer.set_optimizer("lr", 0.5).unwrap();
    trainer.save(&path).unwrap();
    let second = fs::read(&state).unwrap();

    fs::write(&state, &first).unwrap();
    let mut loaded = small(9);
    let error = loaded.load(&path).unwrap_err().to_string();
    assert!(error.contains("does not belong to the weights"), "{error}");
    assert_eq!(loaded.step(), 0);

    // Partial files of other moments are passed over.
    let partial = |number: u64| format!("run.state.safetensors.{number:016x}.partial");
    fs::write(directory.join(partial(1)), &first).unwrap();
    fs::write(directory.join(partial(2)), &second[..second.len() / 2]).unwrap();
    fs::write(directory.join(partial(3)), &second).unwrap();
    loaded.load(&path).unwrap();
    let history = loaded.fit(&data::spiral(4, 3, 0).unwrap(), Fit::epochs(1)).unwrap();
    assert_eq!(history.last().unwrap().rate, 0.5);
    assert_eq!(fs::read(&state).unwrap(), second);
    assert!(!directory.join(partial(3)).exists());
}
