//! Runs the reference runs on a native adapter, serves the page with the same runs to a browser, and compares both.
//!
//! `wgrad-web-tests PAGE-FOLDER BROWSER [ONLY]`; `wgrad-web-tests --self-test` tests the native adapter alone.

#[cfg(not(target_family = "wasm"))]
mod driver;

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    driver::main()
}

#[cfg(target_family = "wasm")]
fn main() {}
