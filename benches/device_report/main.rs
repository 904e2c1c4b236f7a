//! Runs the programs of a folder that `scripts/device-report` has built, and tells what a device does in one JSON file and one
//! block of Markdown: kernel tests, the report, and beside it PyTorch, where that is installed.

mod child;
mod markdown;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use wgrad::embed::Gpu;

use child::{Ended, run};

/// The time for everything.
const ALL: Duration = Duration::from_secs(410);

/// The most time that the kernel tests take of it.
const TESTS: Duration = Duration::from_secs(180);

/// Measures a device with the programs of a folder
#[derive(Parser)]
struct Options {
    /// The folder of the programs
    #[arg(long)]
    programs: PathBuf,
    /// The folder for what comes out
    #[arg(long)]
    results: PathBuf,
    /// A part of the adapter's name, or gpu for any, hardware first
    #[arg(long, default_value = "gpu")]
    device: String,
    /// Smaller sizes and fewer rounds, as on an adapter in software
    #[arg(long)]
    quick: bool,
    /// The date to print
    #[arg(long, default_value = "")]
    date: String,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// A run of all programs.
struct Session {
    options: Options,
    begin: Instant,
}

impl Session {
    /// Runs a program of the folder, with its output in a file of the results.
    fn program(&self, program: &str, arguments: &[&str], output: &str, most: Duration) -> Ended {
        let mut command = Command::new(self.options.programs.join(program));
        command.args(arguments).env("WGRAD_DEVICE", &self.options.device);
        self.command(command, output, most)
    }

    fn command(&self, command: Command, output: &str, most: Duration) -> Ended {
        let left = ALL.saturating_sub(self.begin.elapsed());
        run(command, &self.options.results.join(output), most.min(left))
    }

    /// Compares kernels with the reference.
    fn tests(&self) -> Value {
        eprintln!("kernel tests, up to {} s ...", TESTS.as_secs());
        let arguments = ["ops::", "--skip", "golden_ops"];
        let ended = self.program("suite", &arguments, "tests.txt", TESTS);
        let lines = ended.output.lines();
        let failed: Vec<&str> = lines
            .clone()
            .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
            .collect();
        let passed = lines.filter(|line| line.ends_with(" ... ok")).count();
        json!({
            "passed": passed,
            "failed": failed,
            "complete": ended.is_complete,
            "seconds": ended.seconds,
        })
    }

    fn figures(&self) -> Result<Value, String> {
        eprintln!("report, one to two minutes ...");
        let mut arguments = vec!["--json"];
        arguments.extend(self.options.quick.then_some("--quick"));
        let ended = self.program("report", &arguments, "report.json", ALL);
        let line = ended.output.lines().find(|line| line.starts_with('{'));
        let figures = line.and_then(|line| serde_json::from_str(line).ok());
        figures.ok_or_else(|| format!("the report did not end well: {}", ended.output.trim()))
    }

    /// The same work on PyTorch; empty where it is not installed.
    fn peers(&self) -> Vec<Value> {
        eprintln!("PyTorch, if it is installed ...");
        let mut python = Command::new("python3");
        python.arg(self.options.programs.join("python.py")).arg("torch");
        python.args(self.options.quick.then_some("--quick"));
        let ended = self.command(python, "peers.jsonl", ALL);
        ended.output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn measure(options: Options) -> Result<bool, String> {
    let gpu = pollster::block_on(Gpu::named(match options.device.as_str() {
        "gpu" => "",
        name => name,
    }));
    let gpu = gpu.map_err(|error| error.to_string())?;
    eprintln!("{gpu}");
    let options = Options { quick: options.quick || gpu.is_software(), ..options };
    drop(gpu);
    fs::create_dir_all(&options.results).map_err(|error| error.to_string())?;
    let session = Session { options, begin: Instant::now() };
    let (tests, figures, peers) = (session.tests(), session.figures()?, session.peers());
    let all = json!({
        "date": session.options.date,
        "quick": session.options.quick,
        "tests": tests,
        "figures": figures,
        "peers": peers,
        "seconds": session.begin.elapsed().as_secs_f64(),
    });
    let text = markdown::block(&all);
    for (name, contents) in
        [("device-report.json", format!("{all:#}\n")), ("device-report.md", text.clone())]
    {
        let path = session.options.results.join(name);
        fs::write(&path, contents).map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    println!("{text}");
    Ok(tests["failed"].as_array().is_some_and(Vec::is_empty))
}

fn main() -> ExitCode {
    match measure(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
