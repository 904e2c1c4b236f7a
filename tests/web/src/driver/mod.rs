//! The native side.

mod browser;
mod reference;
mod table;

use std::path::Path;
use std::process::ExitCode;

use wgrad::prelude::Gpu;

use reference::{Checkpoint, Reference};
use table::Table;

/// The exit status if the tests cannot run for want of something.
const NOT_RUN: u8 = 3;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["--self-test"] => native(),
        [page, chromium] => in_browser(Path::new(page), chromium, ""),
        [page, chromium, only] => in_browser(Path::new(page), chromium, only),
        _ => Err("usage: wgrad-web-tests PAGE-FOLDER BROWSER [ONLY] | --self-test".into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wgrad-web-tests: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The self test of the native adapter.
fn native() -> Outcome<ExitCode> {
    let gpu = Gpu::new()?;
    let report = wgrad::self_test(&gpu)?;
    println!("{gpu}: {report}");
    Ok(code(report.passed() && report.refusals().next().is_none()))
}

/// All checks in a browser, compared with the native adapter, whose runs go on beside the browser's.
fn in_browser(page: &Path, chromium: &str, only: &str) -> Outcome<ExitCode> {
    let gpu = Gpu::new()?;
    eprintln!("reference runs on {gpu}");
    let checkpoint = Checkpoint::new(&gpu)?;
    let bytes = checkpoint.bytes.clone();
    let runs = std::thread::spawn(|| Reference::new(gpu, checkpoint).map_err(|e| e.to_string()));
    let session = browser::run(page, chromium, &bytes, only)?;
    let reference = runs.join().map_err(|_| "the native runs panicked")??;
    if let Some(what) = session.missing() {
        println!("not run: the tests in a browser, for want of {what}");
        return Ok(ExitCode::from(NOT_RUN));
    }
    let table = Table::new(&session, &reference);
    print!("{table}");
    Ok(code(table.passed()))
}

fn code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
