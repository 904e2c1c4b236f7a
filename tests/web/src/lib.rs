//! Tests of wgrad in a browser: the checks that a page runs, and the runs that a native adapter repeats.

#[cfg(target_family = "wasm")]
mod browser;
pub mod runs;
