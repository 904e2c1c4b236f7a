//! Every kernel is valid WGSL, and its bindings, parameters and sizes are those the host fills in. Needs no GPU.

use crate::support;

use std::collections::{BTreeMap, BTreeSet};

use support::reflect::{Member, Reflection, validated};
use wgpu::naga::valid::Capabilities;
use wgrad::__internal::kernel::{Access, Kernel, registry};
use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::__internal::spec::loss::LossKind;
use wgrad::__internal::spec::optimizer::OptimizerKind;
use wgrad::__internal::texture_kernels;
use wgrad::ir::StepEntry;
use wgrad::spec::{Entry, Kind as _};

/// Every kernel with its reflection; an emptied catalogue fails.
fn kernels() -> Vec<(Kernel, Reflection)> {
    let kernels = registry::all();
    assert!(kernels.len() >= 50, "only {} kernels", kernels.len());
    let reflect = |kernel: Kernel| {
        let reflection = Reflection::of(&kernel);
        (kernel, reflection)
    };
    kernels.into_iter().map(reflect).collect()
}

fn places<'a>(members: &[Member<'a>]) -> Vec<(&'a str, u32)> {
    members.iter().map(|member| (member.name, member.offset)).collect()
}

#[test]
fn every_kernel_is_valid_and_has_one_entry_point_of_its_workgroup_size() {
    let kernels = kernels();
    for (kernel, reflection) in &kernels {
        let [main] = reflection.entry_points() else { panic!("{}", kernel.label) };
        assert_eq!(main.name, "main", "{}", kernel.label);
        assert_eq!(main.workgroup_size, [kernel.workgroup, 1, 1], "{}", kernel.label);
    }
    println!("{} kernels are valid", kernels.len());
}

#[test]
fn every_kernel_that_copies_a_texture_is_valid() {
    for source in texture_kernels() {
        let module = validated("texture", &source, Capabilities::empty());
        assert_eq!(module.entry_points.len(), 1, "{source}");
    }
}

#[test]
fn labels_are_unique_and_name_a_family() {
    let labels: Vec<String> = registry::all().into_iter().map(|kernel| kernel.label).collect();
    let families = [
        "activation.",
        "arithmetic.",
        "loss.",
        "matmul.",
        "metric.",
        "norm.",
        "optimizer.",
        "reduce.",
        "scan.",
        "tensor.",
    ];
    let unique: BTreeSet<&String> = labels.iter().collect();
    assert_eq!(unique.len(), labels.len());
    for label in &labels {
        assert!(families.iter().any(|family| label.starts_with(family)), "{label}");
    }
    println!("{} labels", labels.len());
}

#[test]
fn storage_bindings_are_those_of_the_kernel_in_order() {
    let mut count = 0;
    for (kernel, reflection) in kernels() {
        let bound = (1..).zip(&kernel.bindings).filter(|(_, b)| b.access != Access::Absent);
        let expected: Vec<_> = bound.map(|(at, b)| (at, b.name, b.access)).collect();
        assert_eq!(reflection.storage(), expected, "{}", kernel.label);
        count += expected.len();
    }
    println!("{count} storage bindings");
}

#[test]
fn the_uniform_parameters_have_the_kernels_fields_and_size() {
    let mut count = 0;
    for (kernel, reflection) in kernels() {
        let label = &kernel.label;
        let uniforms = reflection.uniforms();
        let [(0, "params", params)] = uniforms[..] else { panic!("{label}") };
        let mut offset = 0;
        let mut expected = Vec::new();
        for field in &kernel.fields {
            expected.push((field.name, offset));
            offset += 4 * field.words as u32;
        }
        if kernel.hyper.is_some() {
            expected.push(("hyper", offset.next_multiple_of(16)));
        }
        let members = reflection.members(params);
        assert_eq!(places(&members), expected, "{label}");
        for (member, field) in members.iter().zip(&kernel.fields) {
            assert_eq!(member.bytes, 4 * field.words as u32, "{label} {}", field.name);
        }
        let bytes = reflection.span(params).next_multiple_of(16);
        assert_eq!(bytes, 4 * kernel.uniform_words() as u32, "{label}");
        count += expected.len();
    }
    println!("{count} parameter fields");
}

#[test]
fn hyper_parameters_have_the_entrys_names_one_word_each() {
    let mut count = 0;
    for (kernel, reflection) in kernels() {
        let Some(names) = kernel.hyper.clone() else {
            assert!(reflection.named("Hyper").is_none(), "{}", kernel.label);
            continue;
        };
        let hyper = reflection.named("Hyper").expect("a Hyper struct");
        let members = reflection.members(hyper);
        let names = if names.is_empty() { vec!["none"] } else { names };
        let expected: Vec<_> = names.iter().copied().zip((0..).step_by(4)).collect();
        assert_eq!(places(&members), expected, "{}", kernel.label);
        assert!(members.iter().all(|member| member.bytes == 4), "{}", kernel.label);
        count += names.len();
    }
    println!("{count} hyper-parameters");
}

#[test]
fn the_step_table_has_the_hosts_layout() {
    let mut count = 0;
    for (kernel, reflection) in kernels() {
        let Some(steps) = reflection.named("Steps") else { continue };
        let names = ["counter", "capacity", "late", "skips", "entries"];
        let header: Vec<_> = names.into_iter().zip((0..).step_by(4)).collect();
        let members = reflection.members(steps);
        assert_eq!(places(&members), header, "{}", kernel.label);
        assert_eq!(reflection.stride(members[4].ty), 4 * StepEntry::WORDS as u32);
        let entry = reflection.named("StepEntry").expect("a StepEntry struct");
        let words = [
            "rows",
            "start",
            "epoch",
            "total",
            "rate",
            "coupled",
            "shrink",
            "sign",
            "begins",
            "gathered",
            "updates",
            "update",
            "average_weight",
            "noise",
            "scalars",
        ];
        let expected: Vec<_> = words.into_iter().zip((0..).step_by(4)).collect();
        assert_eq!(places(&reflection.members(entry)), expected, "{}", kernel.label);
        count += 1;
    }
    assert!(count >= 20, "only {count} kernels with a step table");
    println!("{count} kernels with a step table");
}

#[test]
fn an_optimizers_scalars_are_the_entrys_in_order() {
    let mut seen = BTreeSet::new();
    for (kernel, reflection) in kernels() {
        let Some(rest) = kernel.label.strip_prefix("optimizer.") else { continue };
        let name = rest.split('.').next().unwrap_or_default();
        let names = registry::scalar_names(name).expect("the label names an entry");
        let scalars = reflection.named("Scalars").expect("a Scalars struct");
        let members = reflection.members(scalars);
        let expected: Vec<_> = names.iter().copied().zip((0..).step_by(4)).collect();
        assert_eq!(places(&members), expected, "{}", kernel.label);
        seen.insert(name.to_string());
    }
    assert_eq!(seen.len(), OptimizerKind::all().len());
    println!("{} optimizers", seen.len());
}

#[test]
fn every_kernel_fits_the_least_a_device_may_offer() {
    for (kernel, reflection) in kernels() {
        assert!(reflection.workgroup_bytes() <= 16 << 10, "{}", kernel.label);
        assert!(kernel.workgroup <= 256, "{}", kernel.label);
        assert!(kernel.bindings.len() <= 8, "{}", kernel.label);
    }
}

/// The files of a shader folder and their texts.
fn files(folder: &str) -> BTreeMap<String, String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders").join(folder);
    let listing = std::fs::read_dir(path).expect("the shader folder");
    listing
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("a text"))
        })
        .collect()
}

/// Each entry's text is one of the folder's files, and each file the text of an entry.
fn check_files(folder: &str, entries: &[(&'static str, &'static str)]) {
    let files = files(folder);
    let mut used = BTreeSet::new();
    for (name, shader) in entries {
        let own = files.get(&format!("{name}.wgsl"));
        let found = files.iter().find(|(_, text)| text == shader);
        let (file, _) = found.unwrap_or_else(|| panic!("{folder}/{name}: no such file"));
        // A file of the entry's own name is the entry's.
        assert!(own.is_none_or(|own| own == shader), "{folder}/{name} uses {file}");
        used.insert(file.clone());
    }
    assert_eq!(used, files.keys().cloned().collect::<BTreeSet<_>>(), "{folder}");
    println!("{folder}: {} files for {} entries", files.len(), entries.len());
}

#[test]
fn every_shader_file_belongs_to_an_entry_and_every_entry_to_a_file() {
    let activation = |kind: &'static ActivationKind| match kind {
        ActivationKind::Elementwise(map) => map.shader,
        ActivationKind::Row(row) => row.shader,
        ActivationKind::Stochastic(noise) => noise.shader,
        ActivationKind::AxisResize(fold) => fold.shader,
        ActivationKind::Parametric(parametric) => parametric.shader,
    };
    let loss = |kind: &'static LossKind| match kind {
        LossKind::Elementwise(map) => map.shader,
        LossKind::Row(row) => row.shader,
        LossKind::Ctc { shader } => shader,
    };
    let entries = ActivationKind::all().iter().map(|entry| (entry.name, activation(&entry.kind)));
    check_files("activation", &entries.collect::<Vec<_>>());
    let entries = LossKind::all().iter().map(|entry| (entry.name, loss(&entry.kind)));
    check_files("loss", &entries.collect::<Vec<_>>());
    let entries = OptimizerKind::all().iter().map(|entry| (entry.name, entry.kind.shader));
    check_files("optimizer", &entries.collect::<Vec<_>>());
    let carried = |entry: &&'static Entry<OptimizerKind>| {
        entry.kind.carried.as_ref().map(|carried| (entry.name, carried.shader))
    };
    check_files("carry", &OptimizerKind::all().iter().filter_map(carried).collect::<Vec<_>>());
}
