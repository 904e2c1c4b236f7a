//! Ops of the caller's own: used wherever a built-in one is, refused with the fault shown in the caller's text.

use crate::support;

use support::nets::{bits, devices};
use support::run::{Case, gpu, normal};
use wgrad::prelude::*;
use wgrad::{Error, Result};

const FORWARD: &str = "fn forward(x: f32) -> f32 { return abs(x) + rest(x); }
fn rest(x: f32) -> f32 { return softplus(-2.0 * abs(x)) - 0.6931472; }";
const DERIVATIVE: &str = "fn derivative(x: f32) -> f32 { return safe_tanh(x); }";

fn log_cosh(name: &str) -> Activation {
    let exact = |x: f64| x.abs() + (-2.0 * x.abs()).exp().ln_1p() - 2f64.ln();
    Activation::custom(name, FORWARD, DERIVATIVE, exact, f64::tanh).unwrap()
}

#[test]
fn a_custom_activation_gives_the_same_on_both_engines() {
    let f = log_cosh("log_cosh");
    let (x, g) = (normal(1, 1000), normal(2, 1000));
    let mut case = Case::new("log_cosh");
    let slot = case.input(&[1000], &x);
    let upstream = case.input(&[1000], &g);
    let y = case.program.activation("y", f, slot).unwrap();
    let dx = case.program.activation_backward("dx", f, (slot, y), upstream).unwrap();
    assert!(case.program.to_string().contains("activation.log_cosh.forward"));
    let outcomes = case.run(gpu(), &[y, dx]);
    for outcome in &outcomes {
        assert_eq!(outcome.got.len(), 1000);
        for (got, want) in outcome.got.iter().zip(&outcome.want) {
            assert!((f64::from(*got) - want).abs() <= 1e-6, "{got} {want}");
        }
    }
    assert!(
        outcomes[0].want.iter().zip(&x).all(|(y, x)| (y - f64::from(*x).cosh().ln()).abs() < 1e-12)
    );
}

#[test]
fn a_network_with_a_custom_activation_trains_alike_on_both_engines_and_is_saved() {
    let f = log_cosh("log_cosh_layer");
    let data = data::spiral(20, 3, 0).unwrap();
    let losses = devices().map(|device| {
        let model = Sequential::new(2).dense(16).activation(f).dense(3);
        let adam = Optimizer::adam().learning_rate(0.05);
        let mut trainer = Trainer::new(model, Loss::cross_entropy(), adam).on(&device).unwrap();
        let history = trainer.fit(&data, Fit::epochs(30)).unwrap();
        let path = support::nets::directory("custom").join("saved.safetensors");
        trainer.save(&path).unwrap();
        let saved = bits(&trainer);
        trainer.fit(&data, Fit::epochs(1)).unwrap();
        trainer.load(&path).unwrap();
        assert_eq!(bits(&trainer), saved);
        history.last().unwrap().loss
    });
    assert!((losses[0] - losses[1]).abs() < 1e-3 && losses[0] < 1.05, "{losses:?}");
}

#[test]
fn two_custom_activations_of_one_name_keep_their_own_kernels() {
    let constant = |value: &str| {
        let text = format!("fn forward(x: f32) -> f32 {{ return {value}; }}");
        Activation::custom(
            "same",
            &text,
            "fn derivative(x: f32) -> f32 { return 0.0; }",
            |_| 0.0,
            |_| 0.0,
        )
    };
    let device = support::nets::gpu();
    let x = device.tensor(&wgrad::ndarray::array![1.0]).unwrap();
    for (text, value) in [("3.0", 3.0), ("4.0", 4.0)] {
        let y = device.activation(constant(text).unwrap(), &x).unwrap();
        assert_eq!(y.read().unwrap()[[0]], value);
    }
    assert_ne!(constant("3.0").unwrap(), constant("4.0").unwrap());
}

fn refused(name: &str, forward: &str, derivative: &str, words: &[&str]) {
    let result: Result<Activation> = Activation::custom(name, forward, derivative, |x| x, |_| 1.0);
    let Err(error) = result else { panic!("accepted, though {words:?}") };
    let text = error.to_string();
    println!("{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
    let about_text = matches!(error, Error::Shader { .. });
    assert!(about_text || matches!(error, Error::Unsupported { .. }), "{error:?}");
}

#[test]
fn a_fault_in_the_text_is_shown_by_line_in_the_callers_own_text() {
    let good = "fn derivative(x: f32) -> f32 { return 1.0; }";
    let own = |line: &str| format!("// mine\nfn forward(x: f32) -> f32 {{\n    {line}\n}}");
    refused("mine", &own("return x +;"), good, &["mine:3:", "return x +;"]);
    refused("mine", &own("return nothing(x);"), good, &["mine:3:", "nothing"]);
    refused("mine", &own("return vec2(x, x);"), good, &["mine:2:", "return vec2(x, x);"]);
    refused("mine", &own("let y = 2u * x; return y;"), good, &["mine:2:", "2u * x"]);
    let helper = "fn sigmoid(x: f32) -> f32 { return x; }\nfn forward(x: f32) -> f32 { return x; }";
    refused("mine", helper, good, &["mine:1:", "sigmoid"]);
    let template = "fn main(x: f32) -> f32 { return x; }\nfn forward(x: f32) -> f32 { return x; }";
    refused("mine", template, good, &["mine:1:", "main"]);
    let forward = own("return x;");
    refused(
        "mine",
        &forward,
        "\nfn derivative(x: f32) -> f32 { return x }",
        &["mine:2:", "return x }"],
    );
    refused("mine", &forward, &forward, &["redefinition", "forward"]);
    refused("mine", "fn foward(x: f32) -> f32 { return x; }", good, &["fn forward(x: f32) -> f32"]);
    refused(
        "mine",
        "fn forward(x: f32, y: f32) -> f32 { return x; }",
        good,
        &["fn forward(x: f32) -> f32"],
    );
    refused(
        "mine",
        &forward,
        "fn derivative(x: f32) -> u32 { return 1u; }",
        &["fn derivative(x: f32) -> f32"],
    );
    refused("mine", &format!("var<private> p: f32;\n{forward}"), good, &["functions"]);
    let entry = "@compute @workgroup_size(1) fn other() {}";
    refused("mine", &format!("{entry}\n{forward}"), good, &["functions"]);
}

#[test]
fn a_name_that_is_taken_or_no_name_is_refused() {
    for name in ["gelu", "swish", "", "No", "a b", "1a", "GeLU"] {
        refused(name, FORWARD, DERIVATIVE, &["custom activation", name]);
    }
    assert!("log_cosh".parse::<Activation>().is_err(), "custom ops are not found by name");
}

fn cauchy(name: &str) -> Loss {
    Loss::custom(
        name,
        "fn value(y: f32, t: f32) -> f32 { return log1p((y - t) * (y - t)); }",
        "fn gradient(y: f32, t: f32) -> f32 { let d = y - t; return 2.0 * d / (1.0 + d * d); }",
        |y, t| ((y - t) * (y - t)).ln_1p(),
        |y, t| 2.0 * (y - t) / (1.0 + (y - t) * (y - t)),
    )
    .unwrap()
}

#[test]
fn a_custom_loss_gives_the_same_on_both_engines_and_trains() {
    let loss = cauchy("cauchy");
    let x = normal(1, 35);
    let t = normal(2, 35);
    for reduction in Reduction::ALL {
        let mut case = Case::new("custom loss");
        let slots = [case.input(&[5, 7], &x), case.input(&[5, 7], &t)];
        let (value, gradient) = case.program.loss(loss, reduction, slots.into(), true).unwrap();
        let outcomes = case.run(gpu(), &[value, gradient.unwrap()]);
        for outcome in outcomes {
            for (got, want) in outcome.got.iter().zip(&outcome.want) {
                assert!(
                    (f64::from(*got) - want).abs() <= 1e-6 * want.abs().max(1e-2),
                    "{got} {want}"
                );
            }
        }
    }
    let train = |device: &Device| {
        let model = Sequential::new(1).dense(8).activation(Activation::tanh()).dense(1);
        let mut trainer = Trainer::new(model, loss, Optimizer::adam()).on(device).unwrap();
        trainer.fit(&data::sine(50).unwrap(), Fit::epochs(10)).unwrap().last().unwrap().loss
    };
    let [cpu, gpu] = devices().map(|device| train(&device));
    assert!((cpu - gpu).abs() < 1e-5 * cpu, "{cpu} {gpu}");
}

#[test]
fn a_custom_loss_with_a_fault_is_refused_with_the_place() {
    let value = "fn value(y: f32, t: f32) -> f32 { return y - t; }";
    let define = |name: &str, value: &str, gradient: &str| {
        Loss::custom(name, value, gradient, |y, t| y - t, |_, _| 1.0).unwrap_err().to_string()
    };
    let gradient = "fn gradient(y: f32, t: f32) -> f32 { return 1.0; }";
    for (name, value, gradient, part) in [
        ("broken", "fn value(y: f32, t: f32) -> f32 { return z; }", gradient, "z"),
        ("one", "fn value(y: f32) -> f32 { return y; }", gradient, "fn value(y: f32, t: f32)"),
        ("none", value, "fn slope(y: f32, t: f32) -> f32 { return 1.0; }", "fn gradient"),
        ("mse", value, gradient, "built-in"),
        (
            "taken",
            value,
            "fn gradient(y: f32, t: f32) -> f32 { return 1.0; } fn value_at(i: u32) -> f32 { return 0.0; }",
            "value_at",
        ),
    ] {
        let message = define(name, value, gradient);
        assert!(message.contains(part), "{name}: {message}");
    }
}

const SLOPE: &str = "fn derivative(x: f32) -> f32 { return 1.0; }";
const PLAIN: &str = "fn forward(x: f32) -> f32 { return x; }";

/// A text that declares `forward` with a body.
fn body(statements: &str) -> String {
    format!("fn forward(x: f32) -> f32 {{ {statements} }}")
}

#[test]
fn names_that_wgsl_or_the_library_has_are_refused_and_named() {
    let functions = ["min", "max", "select", "abs", "exp", "subgroupAdd", "workgroupBarrier"];
    for name in functions.into_iter().chain(["flat_index", "put_value", "safe_exp", "main"]) {
        let text = format!("// mine\nfn {name}(x: f32) -> f32 {{ return x; }} {PLAIN}");
        refused("mine", &text, SLOPE, &["mine:2:", name]);
    }
    for name in ["f32", "vec4", "vec4f", "mat2x2f", "array", "read_write", "storage", "Params"] {
        refused("mine", &format!("struct {name} {{ a: u32 }} {PLAIN}"), SLOPE, &["mine:1:", name]);
        refused("mine", &format!("alias {name} = i32; {PLAIN}"), SLOPE, &["mine:1:", name]);
        refused("mine", &format!("const {name} = 1.0; {PLAIN}"), SLOPE, &["mine:1:", name]);
    }
    let hidden = "fn/* */\u{2028}min(x: f32) -> f32 { return x; }";
    refused("mine", &format!("{hidden} {PLAIN}"), SLOPE, &["mine:"]);
    let value = "fn value(y: f32, t: f32) -> f32 { return y; }";
    let gradient = "fn gradient(y: f32, t: f32) -> f32 { return max(y, t); } fn max(y: f32, t: f32) -> f32 { return y; }";
    let loss = Loss::custom("mine", value, gradient, |y, _| y, |_, _| 1.0).unwrap_err();
    assert!(matches!(loss, Error::Shader { .. }) && loss.to_string().contains("max"), "{loss}");
}

#[test]
fn what_is_no_elementwise_function_is_refused() {
    for (text, word) in [
        ("override size: u32 = 3;", "override"),
        ("var<private> big: array<f32, 1000000>;", "var"),
        ("var<workgroup> one: f32;", "var"),
        ("@group(0) @binding(7) var<storage> other: array<f32>;", "@"),
        ("enable f16;", "enable"),
        ("diagnostic(off, derivative_uniformity);", "diagnostic"),
    ] {
        refused("mine", &format!("{text} {PLAIN}"), SLOPE, &["mine:1:", word]);
    }
    for (statements, word) in [
        ("if x > 0.0 { workgroupBarrier(); } return x;", "workgroupBarrier"),
        ("storageBarrier(); return x;", "storageBarrier"),
        ("return subgroupAdd(x);", "subgroupAdd"),
        ("return dpdx(x);", "dpdx"),
        ("return textureLoad(x);", "textureLoad"),
        ("loop { } return x;", "loop"),
        ("while true { } return x;", "while"),
        ("for (;;) { } return x;", "for"),
        ("for (var i = 0; i < 8; i--) { } return x;", "for"),
        ("for (var i = 0; i < 8; i++) { i = 0; } return x;", "for"),
        ("for (var i = 0; i < 8; i++) { (i) -= 1; } return x;", "for"),
        ("for (var i = 0; i < 8; i++) { let p = &i; *p = 0; } return x;", "for"),
        ("for (var i = 0; i < i32(x); i++) { } return x;", "for"),
        ("for (var i = 0; i < 2000000000; i++) { } return x;", "tokens"),
        ("discard; return x;", "discard"),
        ("return x; /*", "comment"),
    ] {
        refused("mine", &body(statements), SLOPE, &["mine:", word]);
        // Named in a comment alone it is nothing.
        let noted = format!("// {}\n{PLAIN}", statements.replace("/*", ""));
        let _ = Activation::custom("mine", &noted, SLOPE, |x| x, |_| 1.0).unwrap();
    }
}

#[test]
fn variables_arrays_and_what_calls_multiply_to_are_bounded() {
    let array = |kind: &str, len: &str| body(&format!("{kind} a: array<f32, {len}>; return a[0];"));
    let nested = body("var a: array<array<f32, 250>, 250>; return a[0][u32(x)];");
    let many: String = (0..9).map(|i| format!("var a{i}: array<vec4f, 16>; ")).collect();
    let table = "const T = array<f32, 200>();";
    let looked = body("return T[u32(x)] + T[u32(x + 1.0)];");
    for (text, word) in [
        (array("var", "1000000"), "array"),
        (array("var", "300"), "array"),
        (array("var", "1 << 30"), "array"),
        (format!("const N = 4000000000u; {}", array("var", "N")), "array"),
        (nested, "bytes"),
        (body(&format!("{many} return a0[u32(x)].x;")), "bytes"),
        (format!("{table} {looked}"), "bytes"),
    ] {
        refused("mine", &text, SLOPE, &[word]);
    }
    // Each calls the one before twice.
    let doubled: String = (1..30)
        .map(|i| {
            format!("fn twice{i}(x: f32) -> f32 {{ return twice{0}(x) + twice{0}(-x); }}\n", i - 1)
        })
        .collect();
    let doubled = format!("fn twice0(x: f32) -> f32 {{ return x; }}\n{doubled}");
    refused("mine", &format!("{doubled}{}", body("return twice29(x);")), SLOPE, &["tokens"]);
    let looping = body(
        "var s = x; for (var i = 0; i < 100; i++) { for (var j = 0; j < 100; j++) { s += x; } } return s;",
    );
    refused("mine", &looping, SLOPE, &["tokens"]);
    let slope = "fn derivative(x: f32) -> f32 { return slope(x); } fn slope(x: f32) -> f32 { return derivative(x); }";
    refused("mine", PLAIN, slope, &["tokens"]);
}

#[test]
fn counted_loops_tables_and_helpers_work_on_the_device() {
    let text = "const T = array<f32, 4>(1.0, 0.5, 0.25, 0.125);
        struct Pair { a: f32, b: f32 }
        fn pair(x: f32) -> Pair { return Pair(x, 2.0 * x); }
        fn forward(x: f32) -> f32 {
            let p = pair(x);
            var sum = 0.0;
            for (var i = 0u; i < 4u; i++) { if i == 2u { continue; } sum += T[i] * p.b; }
            for (var j: i32 = 0; j <= 4; j += 2) { sum += f32(j); }
            return sum;
        }";
    let slope = "fn derivative(x: f32) -> f32 { return 3.25; }";
    let f = Activation::custom("table", text, slope, |x| 3.25 * x + 6.0, |_| 3.25).unwrap();
    for device in devices() {
        let x = device.tensor(&wgrad::ndarray::array![1.0, -2.0]).unwrap();
        let y = device.activation(f, &x).unwrap().read().unwrap();
        assert_eq!(y, wgrad::ndarray::array![9.25, -0.5].into_dyn());
    }
}

/// Texts that compilers recurse over, of `count` parts each.
fn deep(count: usize) -> Vec<String> {
    let chain = |part: &str| body(&format!("return x{};", part.repeat(count)));
    let nested = |open: &str, close: &str| {
        body(&format!("return {}x{};", open.repeat(count), close.repeat(count)))
    };
    let blocks = body(&format!("{}{} return x;", "{".repeat(count), "}".repeat(count)));
    let branches =
        body(&format!("if x > 0.0 {{}} {} return x;", "else if x > 1.0 {} ".repeat(count)));
    let types = format!("{}f32{}", "array<".repeat(count), ", 1>".repeat(count));
    vec![
        chain(" + x"),
        chain("*x"),
        chain("/x-x"),
        nested("(", ")"),
        nested("-(", ")"),
        nested("abs(", ")"),
        nested("-", ""),
        blocks,
        branches,
        body(&format!("var a: {types}; return x;")),
        body(&format!("return f32({}true{});", "!".repeat(count), " == true".repeat(count))),
        body(&format!("let v = vec2(x); return v{};", ".xy".repeat(count))),
    ]
}

#[test]
fn long_and_deep_texts_are_refused_and_those_within_the_bounds_compile_in_a_small_stack() {
    let work = || {
        for text in deep(4000) {
            let short = text.len() <= 16 << 10;
            let error = Activation::custom("deep", &text, SLOPE, |x| x, |_| 1.0).unwrap_err();
            assert!(matches!(error, Error::Shader { .. }), "{error:?}");
            let words = ["16384", "nested", "operators", "array"];
            assert!(words.iter().any(|word| error.to_string().contains(word)), "{short}: {error}");
        }
        let x = support::nets::gpu().tensor(&wgrad::ndarray::array![1.0]).unwrap();
        let mut compiled = 0;
        for text in [40, 45, 80, 120, 250].into_iter().flat_map(deep) {
            match Activation::custom("deep", &text, SLOPE, |x| x, |_| 1.0) {
                Ok(f) => {
                    support::nets::gpu().activation(f, &x).unwrap().read().unwrap();
                    compiled += 1;
                }
                Err(error) => assert!(matches!(error, Error::Shader { .. }), "{error:?}"),
            }
        }
        assert!(compiled >= 12, "{compiled}");
        let long = format!("{PLAIN}{}", " ".repeat(16 << 10));
        refused("mine", &long, SLOPE, &["16384"]);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}
