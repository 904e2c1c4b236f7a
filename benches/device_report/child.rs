//! A program with a time limit.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that has ended, or was ended.
pub struct Ended {
    /// What it wrote to its standard output.
    pub output: String,
    /// True if it ended by itself.
    pub is_complete: bool,
    pub seconds: f64,
}

/// Runs a program for at most the given time, with its output in a file.
pub fn run(mut command: Command, path: &Path, most: Duration) -> Ended {
    let begin = Instant::now();
    let is_complete = File::create(path).and_then(|file| {
        let mut child =
            command.stdin(Stdio::null()).stdout(file).stderr(Stdio::inherit()).spawn()?;
        while child.try_wait()?.is_none() {
            if begin.elapsed() >= most {
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(true)
    });
    let is_complete = is_complete.unwrap_or_else(|error| {
        eprintln!("{}: {error}", command.get_program().display());
        false
    });
    let output = fs::read_to_string(path).unwrap_or_default();
    Ended { output, is_complete, seconds: begin.elapsed().as_secs_f64() }
}
