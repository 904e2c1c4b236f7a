//! Writes every kernel as a `.wgsl` file, with a JSON of its bindings, parameters and cases beside it.
//!
//! `cargo run --release --example export_kernels -- target/wgrad/kernels`; [`verify.rs`](verify.rs) reads what this
//! writes, on plain wgpu.
//!
//! A case has, all offsets and lengths in bytes, and all contents as words of 32 bits (of an `f32`, its bits):
//!
//! | key | a list of |
//! |---|---|
//! | `buffers` | `[length, runs]`; a run is `[offset, words]`, and the rest is 0 |
//! | `dispatches` | `[kernel, ranges, [x, y]]`, in order; a range is `[binding, buffer, offset, length]` |
//! | `expected` | `[buffer, offset, words, [relative, absolute]]`: the results of the CPU reference, with their tolerance |
//!
//! A case of several kernels is in the JSON of one of them; `also_in` of the others names that one.

use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};
use wgrad::__internal::export::{
    BoundRange, BufferContents, Expected, KernelExport, RecordedCase, RecordedDispatch, export,
};
use wgrad::__internal::kernel::{Access, Binding, Kernel};

/// Writes every kernel with its cases
#[derive(Parser)]
struct Cli {
    /// Where the files go
    #[arg(default_value = "target/wgrad/kernels")]
    out: PathBuf,
    /// Only kernels and cases whose name contains this
    #[arg(long, default_value = "", value_name = "NAME")]
    only: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Cli { out, only } = Cli::parse();
    std::fs::create_dir_all(&out)?;
    let kernels = export(&only)?;
    for one in &kernels {
        std::fs::write(out.join(format!("{}.wgsl", one.name)), one.kernel.source())?;
        std::fs::write(out.join(format!("{}.json", one.name)), kernel(one).to_string())?;
    }
    println!("{} kernels in {}", kernels.len(), out.display());
    Ok(())
}

fn kernel(KernelExport { name, kernel, cases, also_in }: &KernelExport) -> Value {
    json!({
        "kernel": name,
        "entry_point": "main",
        "workgroup": kernel.workgroup,
        "features": kernel.features().iter_names().map(|(name, _)| name).collect::<Vec<_>>(),
        "params": { "binding": 0, "words": kernel.uniform_words(), "fields": fields(kernel) },
        "bindings": bindings(kernel),
        "also_in": also_in,
        "cases": cases.iter().map(case).collect::<Vec<_>>(),
    })
}

/// The fields of the uniform parameters, in words.
fn fields(kernel: &Kernel) -> Vec<Value> {
    let own = kernel.fields.iter().map(|field| (field.name.to_string(), field.words));
    let hyper = kernel.hyper.iter().flatten().map(|name| (format!("hyper.{name}"), 1));
    let len: usize = kernel.fields.iter().map(|field| field.words).sum();
    // A struct within a struct begins at a multiple of four words.
    let gap = (String::new(), len.next_multiple_of(4) - len);
    let mut word = 0;
    let place = |(name, words)| {
        let place = json!({ "name": name, "word": word, "words": words });
        word += words;
        place
    };
    let places = own.chain([gap]).chain(hyper).map(place);
    places.filter(|place| place["name"] != "").collect()
}

fn bindings(kernel: &Kernel) -> Vec<Value> {
    let numbered = (1..).zip(&kernel.bindings);
    let bound = numbered.filter(|(_, binding)| binding.access != Access::Absent);
    let value = |(number, binding): (u32, &Binding)| {
        let access = match binding.access {
            Access::Uniform => "uniform",
            Access::Read => "read",
            Access::ReadWrite | Access::Absent => "read_write",
        };
        json!({ "binding": number, "name": binding.name, "access": access })
    };
    bound.map(value).collect()
}

fn case(RecordedCase { name, buffers, dispatches, expected }: &RecordedCase) -> Value {
    json!({
        "name": name,
        "buffers": buffers.iter().map(contents).collect::<Vec<_>>(),
        "dispatches": dispatches.iter().map(dispatch).collect::<Vec<_>>(),
        "expected": expected.iter().map(range).collect::<Vec<_>>(),
    })
}

fn contents(BufferContents { len, runs }: &BufferContents) -> Value {
    let runs = runs.iter().map(|(first, words)| json!([first * 4, words]));
    json!([len * 4, runs.collect::<Vec<_>>()])
}

fn dispatch(RecordedDispatch { kernel, bindings, grid }: &RecordedDispatch) -> Value {
    let range = |BoundRange { binding, buffer, offset, bytes }: &BoundRange| {
        json!([binding, buffer, offset, bytes])
    };
    json!([kernel, bindings.iter().map(range).collect::<Vec<_>>(), grid])
}

fn range(Expected { buffer, offset, words, tolerance }: &Expected) -> Value {
    json!([buffer, offset, words, tolerance])
}
