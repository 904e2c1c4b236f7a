//! The examples as their users run them: figures, pictures, messages.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// Where the examples lie, built with the profile of this test.
fn examples() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        // target/PROFILE/deps/this-test
        let test = std::env::current_exe().unwrap();
        let place = test.ancestors().nth(2).unwrap();
        let profile = match place.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--examples", "--profile", profile]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().unwrap().success(), "{cargo:?}");
        place.join("examples")
    })
}

fn run(example: &str, arguments: &[&str]) -> Output {
    let program = examples().join(example).with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).env_remove("WGRAD_DEVICE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a run that must succeed says with `--json`; its picture must be there.
fn figures(example: &str, device: &str, arguments: &[&str]) -> Value {
    report(example, example, device, &[&["--seed", "3"], arguments].concat())
}

/// The same for an example whose picture has another name.
fn report(example: &str, picture: &str, device: &str, arguments: &[&str]) -> Value {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{example} {device}"));
    let _ = std::fs::remove_dir_all(&directory);
    let out = directory.to_str().unwrap();
    let always = ["--device", device, "--out", out, "--json"];
    let output = run(example, &[&always, arguments].concat());
    assert!(output.status.success(), "{example}: {}", text(&output.stderr));
    let picture = image::open(directory.join(format!("{picture}.png"))).unwrap().to_rgb8();
    let colours: std::collections::HashSet<_> = picture.pixels().collect();
    assert!(picture.width() > 1000 && colours.len() > 50, "{} colours", colours.len());
    assert!(!text(&output.stderr).contains('\x1b'), "a progress bar without a terminal");
    let stdout = text(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

fn keys(json: &Value) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What every example reports, in alphabetic order.
const KEYS: [&str; 10] = [
    "accuracy",
    "adapter",
    "device",
    "epochs",
    "example",
    "first_epoch_seconds",
    "loss",
    "seconds",
    "seed",
    "us_per_step",
];

#[test]
fn every_example_reports_its_figures_and_draws_its_picture_on_the_cpu() {
    for (example, epochs) in [("sine", 30), ("spiral", 30), ("digits", 2)] {
        let json = figures(example, "cpu", &["--epochs", &epochs.to_string()]);
        let mut wanted = KEYS.to_vec();
        if example == "digits" {
            wanted.insert(9, "test_accuracy");
        }
        assert_eq!(keys(&json), wanted);
        assert_eq!((&json["example"], &json["device"]), (&example.into(), &"cpu".into()));
        assert_eq!((&json["epochs"], &json["seed"]), (&epochs.into(), &3.into()));
        assert!(json["adapter"].is_null());
        for figure in ["seconds", "us_per_step", "loss", "accuracy"] {
            assert!(json[figure].as_f64().is_some_and(|x| x > 0.0), "{figure} of {json}");
        }
    }
}

#[test]
fn an_example_on_the_gpu_names_its_adapter_and_counts_its_dispatches() {
    let device = std::env::var("WGRAD_DEVICE").unwrap_or_else(|_| "gpu".to_string());
    let json = figures("spiral", &device, &["--epochs", "100"]);
    let cpu = figures("spiral", "cpu", &["--epochs", "100"]);
    assert_eq!(json["device"], "gpu");
    assert!(json["adapter"].as_str().is_some_and(|name| !name.is_empty()), "{json}");
    assert!(json["dispatches_per_step"].as_u64().is_some_and(|count| count > 0), "{json}");
    let [gpu, cpu] = [json, cpu].map(|json| json["loss"].as_f64().unwrap());
    assert!((gpu - cpu).abs() < 0.05 * cpu, "{gpu} {cpu}");
}

#[test]
fn the_settings_of_the_sine_are_options() {
    let settings =
        ["--scale", "0.01", "--lr", "0.01", "--decay", "0", "--hidden", "8", "--epochs", "2"];
    let json = figures("sine", "cpu", &settings);
    assert_eq!(json["epochs"], 2);
}

#[test]
fn the_growth_of_a_fit_is_filmed() {
    for example in ["sine", "spiral"] {
        figures(example, "cpu", &["--epochs", "45", "--film"]);
        let film = format!("{example} cpu/{example}.gif");
        let film = std::fs::File::open(Path::new(env!("CARGO_TARGET_TMPDIR")).join(film)).unwrap();
        let film = image::codecs::gif::GifDecoder::new(std::io::BufReader::new(film)).unwrap();
        let frames = image::AnimationDecoder::into_frames(film).collect_frames().unwrap();
        assert!(frames.len() > 15, "{example}: {} frames", frames.len());
        assert!(frames[0].buffer() != frames[frames.len() - 1].buffer());
    }
}

#[test]
fn without_json_the_epochs_are_told_on_standard_output() {
    let output = run("spiral", &["--device", "cpu", "--epochs", "201"]);
    let lines: Vec<String> = text(&output.stdout).lines().map(String::from).collect();
    let starts =
        ["epoch: 0, acc: 0.", "epoch: 100, acc: 0.", "epoch: 200, acc: 0.", "loss 0.", "picture: "];
    assert_eq!(lines.len(), starts.len(), "{lines:?}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{lines:?}");
    assert!(
        lines[1].contains(" (data_loss: 0.") && lines[1].contains("reg_loss: 0.000), lr: 0.04999")
    );
    assert!(Path::new(env!("CARGO_TARGET_TMPDIR")).join("target/wgrad/spiral.png").exists());
}

#[test]
fn what_is_wrong_is_said_in_words() {
    for (arguments, words) in [
        (
            &["--device", "no such adapter"][..],
            "Error: no GPU adapter: 'no such adapter' was asked for",
        ),
        (&["--device", "cpu", "--hidden", "64,0"], "layer 2, dense(0): 0 outputs"),
        (&["--device", "cpu", "--scale", "NaN"], "normal: std = NaN is not valid"),
        (&["--device", "cpu", "--lr", "-1"], "lr = -1 is not valid"),
        (&["--device", "cpu", "--out", "/dev/null/pictures"], "--out /dev/null/pictures: "),
        (&["--epochs", "0"], "invalid value '0' for '--epochs <N>'"),
        (&["--seed", "x"], "invalid value 'x' for '--seed <N>'"),
    ] {
        let output = run("sine", arguments);
        let stderr = text(&output.stderr);
        assert!(!output.status.success() && stderr.contains(words), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn own_tables_are_classified_regressed_and_predicted_in_another_process() {
    let cpu = |example: &str, arguments: &[&str]| {
        let program = examples().join(example).with_extension(std::env::consts::EXE_EXTENSION);
        let mut command = Command::new(program);
        command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).env("WGRAD_DEVICE", "cpu");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{example}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let number = |text: &str, before: &str| -> f64 {
        let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("{before:?} in {text}"));
        rest.split([' ', ',', '\n']).next().unwrap().parse().unwrap()
    };
    for program in ["classify", "predict", "regress", "sweep"] {
        let own_data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/own_data");
        let source = std::fs::read_to_string(own_data.join(program).with_extension("rs")).unwrap();
        assert!(source.lines().count() <= 40, "{program}");
    }
    let said = cpu("classify", &[]);
    assert!(number(&said, "accuracy ") > 0.9, "{said}");
    assert!(said.contains("actual          setosa  versicolor   virginica"), "{said}");
    let model = said.split("model: ").nth(1).unwrap().trim();
    let said = cpu("predict", &[model, "5.1", "3.5", "1.4", "0.2"]);
    assert!(said.starts_with("setosa\n") && number(&said, "setosa\n") > 0.9, "{said}");
    assert_eq!(said.lines().count(), 4, "{said}");
    let said = cpu("regress", &[]);
    assert!(said.contains("14 of 406 rows have missing cells and are left out"), "{said}");
    assert!(number(&said, "R² ") > 0.75 && number(&said, "error ") < 3.0, "{said}");
    let said = cpu("sweep", &[]);
    assert!(said.lines().count() == 12 && said.contains("\nbest: "), "{said}");
    assert!(Path::new(env!("CARGO_TARGET_TMPDIR")).join("target/wgrad/sweep.png").exists());
}

#[test]
fn the_gallery_draws_every_activation_and_elementwise_loss() {
    let json = report("gallery", "activations", "gpu", &[]);
    let count = wgrad::Activation::all().count();
    assert_eq!(json["activations"].as_u64(), Some(count as u64));
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gallery gpu");
    let activations = wgrad::Activation::all().map(|f| format!("activations/{}.png", f.name()));
    let losses = wgrad::Loss::all().filter(|loss| {
        loss.name() == "cross_entropy"
            || matches!(&loss.entry().kind, wgrad::__internal::spec::loss::LossKind::Elementwise(map) if map.inputs == 1)
    });
    let losses: Vec<_> = losses.map(|loss| format!("losses/{}.png", loss.name())).collect();
    assert_eq!(json["losses"].as_u64(), Some(losses.len() as u64));
    assert!(losses.len() > 15, "{losses:?}");
    for name in activations.chain(losses) {
        let path = directory.join(name);
        let picture = image::open(&path).unwrap().to_rgb8();
        let colours: std::collections::HashSet<_> = picture.pixels().collect();
        assert!(colours.len() > 20, "{}: {} colours", path.display(), colours.len());
    }
}

#[test]
fn the_optimizers_race_to_the_same_places_on_both_devices() {
    let race = |device: &str| {
        let only = "sgd,nesterov,adam,lion";
        let arguments = ["--surface", "plateau", "--only", only, "--lr", "0.05", "--seed", "1"];
        let json = report("optimizers", "plateau", device, &arguments);
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let animation = directory.join(format!("optimizers {device}")).join("plateau.gif");
        assert!(std::fs::metadata(animation).unwrap().len() > 100_000);
        let surfaces = json["surfaces"].as_array().unwrap().clone();
        assert_eq!((surfaces.len(), &surfaces[0]["surface"]), (1, &"plateau".into()));
        surfaces[0]["paths"].as_array().unwrap().clone()
    };
    let device = std::env::var("WGRAD_DEVICE").unwrap_or_else(|_| "gpu".to_string());
    let (on_cpu, on_gpu) = (race("cpu"), race(&device));
    assert_eq!((on_cpu.len(), on_gpu.len()), (4, 4));
    for path in &on_cpu {
        let twin = on_gpu.iter().find(|other| other["optimizer"] == path["optimizer"]).unwrap();
        let [value, other] = [path, twin].map(|path| path["value"].as_f64().unwrap());
        // From 1.5 at the start.
        assert!(value < 1.3 && (value - other).abs() < 1e-3, "{path} {twin}");
    }
    let output = run("optimizers", &["--surface", "hill"]);
    assert!(!output.status.success() && text(&output.stderr).contains("rosenbrock"));
    let output = run("optimizers", &["--only", "adan,adom"]);
    assert!(!output.status.success() && text(&output.stderr).contains("adom"));
}

#[test]
fn the_hosts_of_the_examples_draw_and_animate_what_they_train() {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hosts");
    let _ = std::fs::remove_dir_all(&place);
    let device = std::env::var("WGRAD_DEVICE").unwrap_or_else(|_| "gpu".to_string());
    for (example, frames, figure, most) in [
        ("embed", "3", "loss", 1.1),
        ("neural_image", "4", "loss", 0.2),
        ("bring_your_own_loss", "40", "rms_from_the_curve", 0.2),
    ] {
        let out = place.to_str().unwrap();
        let output =
            run(example, &["--device", &device, "--frames", frames, "--out", out, "--json"]);
        assert!(output.status.success(), "{example}: {}", text(&output.stderr));
        let json: Value = serde_json::from_str(text(&output.stdout).trim()).unwrap();
        let reached = json[figure].as_f64().unwrap();
        assert!(reached < most, "{example}: {reached}");
        let picture = image::open(place.join(format!("{example}.png"))).unwrap().to_rgb8();
        let colours: std::collections::HashSet<_> = picture.pixels().collect();
        assert!(colours.len() > 2, "{example}: {} colours", colours.len());
        let animation = std::fs::read(place.join(format!("{example}.gif"))).unwrap();
        assert!(animation.starts_with(b"GIF89a"));
    }
}

/// Exports the kernels with this part in their name to a folder, and counts them.
fn export(folder: &str, part: &str) -> (PathBuf, usize) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = std::fs::remove_dir_all(&folder);
    let output = run("export_kernels", &[folder.to_str().unwrap(), "--only", part]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let count = text(&output.stdout).split(' ').next().unwrap().parse().unwrap();
    (folder, count)
}

/// Runs an exported folder on the adapter under test.
fn verify(folder: &Path) -> (bool, String) {
    let program = examples().join("verify_kernels").with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(program);
    if let Ok(device) = std::env::var("WGRAD_DEVICE").map(|device| device.replace("gpu", "")) {
        command.env("WGPU_ADAPTER_NAME", device);
    }
    let output = command.arg(folder).output().unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// The JSON of an exported kernel.
fn kernel(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn exported_kernels_compute_what_the_reference_does_without_the_library() {
    let (folder, count) = export("kernels", "softmax");
    assert!(count > 20, "{count} kernels");
    let (agrees, report) = verify(&folder);
    assert!(agrees && report.contains(" 0 failed"), "{report}");
    let name = "activation.softmax.forward.four.one_lane.json";
    let mut json = kernel(&folder, name);
    assert_eq!(json["params"]["fields"][0]["name"], "rows", "{}", json["params"]);
    assert_eq!((&json["workgroup"], &json["bindings"][0]["name"]), (&256.into(), &"x".into()));

    // One expected number is not what the kernel computes.
    json["cases"][0]["expected"][0][2][0] = 2.0f32.to_bits().into();
    std::fs::write(folder.join(name), json.to_string()).unwrap();
    let (agrees, report) = verify(&folder);
    assert!(
        !agrees && report.contains("activation.softmax") && report.contains(" 1 failed"),
        "{report}"
    );
}

#[test]
#[ignore = "every kernel takes minutes to compile on a software adapter"]
fn every_exported_kernel_computes_what_the_reference_does_without_the_library() {
    let (folder, count) = export("all kernels", "");
    let (agrees, report) = verify(&folder);
    assert!(agrees && report.contains(" 0 failed"), "{report}");
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let all: Vec<Value> = files.map(|path| kernel(&folder, path.to_str().unwrap())).collect();
    let tried = |json: &&Value| {
        [&json["cases"], &json["also_in"]].iter().any(|list| list[0] != Value::Null)
    };
    assert_eq!(all.len(), count);
    let tried = all.iter().filter(tried).count();
    assert!(count > 1000 && tried > 600, "{tried} of {count} kernels");
}
