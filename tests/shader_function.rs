//! A network as a function in a shader, against what predicts with it.

use ndarray::Array2;
use wgrad::ir::{Interpreter, InterpreterWeights, StepEntry};
use wgrad::nn::Network;
use wgrad::prelude::*;

use crate::support::draw::Draw;
use crate::support::kernel::run;
use crate::support::values;

const ROWS: usize = 40;

/// Applies `net` to every row of x.
fn shader(text: &str, [inputs, outputs]: [usize; 2]) -> String {
    format!(
        "{text}
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> results: array<f32>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
    var row: array<f32, {inputs}>;
    for (var i = 0u; i < {inputs}u; i++) {{
        row[i] = rows[id.x * {inputs}u + i];
    }}
    var result = net(row);
    for (var i = 0u; i < {outputs}u; i++) {{
        results[id.x * {outputs}u + i] = result[i];
    }}
}}
"
    )
}

/// The parameters in the order of a buffer, as bytes.
fn buffer(trainer: &Trainer, params: &[Vec<f32>]) -> Vec<u8> {
    let network = trainer.network();
    let mut words = vec![0.0f32; network.param_bytes() as usize / 4];
    for (range, values) in network.param_ranges().iter().zip(params) {
        let start = range.start as usize / 4;
        words[start..start + values.len()].copy_from_slice(values);
    }
    bytemuck::pod_collect_to_vec(&words)
}

/// The outputs of all rows in `f64`.
fn exact(network: &Network, x: &[f32], params: &[Vec<f32>]) -> Vec<f64> {
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let io = network.inference(ROWS).unwrap();
    let mut cpu = Interpreter::<f64>::new(io.program);
    cpu.write(io.x, &wide(x)).unwrap();
    let params = params.iter().map(|values| wide(values)).collect();
    let mut weights = InterpreterWeights::new(network.params(), params, None, 0);
    cpu.run(&mut weights, &StepEntry::rows(ROWS)).unwrap();
    cpu.read(io.y).unwrap().to_vec()
}

/// Fails unless the function of the network, with its weights in a buffer and as literals, is what predicts.
fn check(model: Sequential, seed: u64) {
    let text = format!("{model:?}");
    let mut trainer = Trainer::new(model, Loss::mse(), Optimizer::adam())
        .seed(seed)
        .on(&Device::cpu())
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let network = trainer.network().clone();
    let sides = [network.inputs(), network.outputs()];
    let x = values::linear(ROWS * sides[0], -2.0, 2.0);
    let rows = Array2::from_shape_vec((ROWS, sides[0]), x.clone()).unwrap();
    let wanted = trainer.predict(&rows).unwrap();
    let params: Vec<Vec<f32>> = trainer
        .parameters()
        .unwrap()
        .into_iter()
        .map(|(_, array)| array.into_iter().collect())
        .collect();
    let exact = exact(&network, &x, &params);
    // As near as what predicts in f32: a normalization of few numbers magnifies roundings, as a sine of large ones does.
    let off = wanted.iter().zip(&exact).map(|(y, exact)| (f64::from(*y) - exact).abs());
    let most = exact.iter().fold(1e-3, |most: f64, y| most.max(y.abs()));
    let bound = off.fold(1e-5 * most, |bound, off| bound.max(4.0 * off));
    let bytes = ROWS * sides[1] * 4;
    let count: usize = params.iter().map(Vec::len).sum();
    let mut sources = vec![network.wgsl("net").source().unwrap()];
    if count <= 1000 {
        sources.push(network.wgsl("net").literals(&params).source().unwrap());
    }
    for source in sources {
        let weights = buffer(&trainer, &params);
        let mut whole = shader(&source, sides);
        if !source.contains("net_weights") {
            // The binding must be used for the layout to have it.
            whole = whole.replace("var row:", "if unused[0] == 12345.0 { return; }\n    var row:");
            whole =
                format!("@group(0) @binding(0) var<storage, read> unused: array<f32>;\n{whole}");
        }
        let got = run(&whole, &[&weights, bytemuck::cast_slice(&x)], bytes, [ROWS as u32 / 8, 1]);
        let got: Vec<f32> = bytemuck::pod_collect_to_vec(&got);
        for (i, (got, wanted)) in got.iter().zip(&exact).enumerate() {
            let near = (f64::from(*got) - wanted).abs() <= bound;
            assert!(near, "{text}, value {i}: {got}, not {wanted}\n{source}");
        }
    }
}

/// The activations of single numbers, but those that jump, where a rounding of their input is a whole step.
fn elementwise() -> Vec<Activation> {
    let jumps = ["step", "threshold", "thresholded_relu", "hard_shrink", "shrink"];
    Activation::all()
        .filter(|f| f.dim().is_none() && !f.is_random() && !f.is_parametric())
        .filter(|f| !jumps.contains(&f.name()))
        .collect()
}

fn random_model(draw: &mut Draw) -> Sequential {
    let widths = [1, 2, 3, 4, 5, 8, 13, 16, 31, 32];
    let mut width = widths[draw.below(6)];
    let mut model = Sequential::new(width);
    let all = elementwise();
    for _ in 0..1 + draw.below(3) {
        width = widths[draw.below(widths.len())];
        model = model.dense(width);
        model = match draw.below(8) {
            0 => model.layer_norm(),
            1 => model.rms_norm(),
            2 => model.residual(|branch| branch.dense(width).activation(Activation::tanh())),
            3 => model.activation(Activation::prelu()),
            4 => model.dense(2 * width).activation(Activation::glu()),
            _ => model.activation(all[draw.below(all.len())]),
        };
    }
    model = model.dense(1 + draw.below(5));
    match draw.below(4) {
        0 => model.activation(Activation::softmax()),
        1 => model.activation(Activation::log_softmax()),
        _ => model,
    }
}

#[test]
fn random_networks_are_the_same_in_a_shader() {
    let count = if std::env::var_os("WGRAD_FULL").is_some() { 200 } else { 24 };
    for seed in 0..count {
        let mut draw = Draw::new(seed);
        check(random_model(&mut draw), seed);
    }
}

#[test]
fn every_activation_of_single_numbers_is_the_same_in_a_shader() {
    // Four activations to a network, to compile fewer shaders.
    for (seed, activations) in elementwise().chunks(4).enumerate() {
        let model =
            activations.iter().fold(Sequential::new(2), |model, f| model.dense(4).activation(*f));
        check(model.dense(2), seed as u64);
    }
}

#[test]
fn wide_layers_rows_and_blocks_are_the_same_in_a_shader() {
    let relu = Activation::relu;
    check(Sequential::new(2).dense(64).activation(relu()).dense(64).activation(relu()).dense(3), 1);
    check(Sequential::new(150).dense(10).activation(relu()).dense(6), 2);
    check(Sequential::new(3).dense(160).activation(Activation::tanh()).dense(7), 3);
    check(
        Sequential::new(3)
            .dense(12)
            .activation(Activation::maxout().with("pieces", 3.0).unwrap())
            .dense(1),
        4,
    );
    check(Sequential::new(4).dense(9).batch_norm().dense(5).activation(Activation::softmin()), 5);
    check(Sequential::new(4).dense(9).activation(Activation::srelu()).dense(5), 6);
    check(Sequential::new(4).dense(9).activation(Activation::quiet_softmax()), 7);
}

#[test]
fn what_has_no_form_in_a_shader_is_an_error() {
    let network = |model: Sequential| model.build().unwrap();
    let refused = |result: wgrad::Result<String>| result.unwrap_err().to_string();
    let dense = network(Sequential::new(2).dense(3));
    for name in ["", "Net", "2d", "net_", "a__b", "a-b"] {
        assert!(refused(dense.wgsl(name).source()).contains("as a name"), "{name}");
    }
    let sparse = network(Sequential::new(2).dense(3).activation(Activation::sparsemax()));
    assert!(refused(sparse.wgsl("net").source()).contains("sparsemax"));
    let values = [vec![0.0; 6], vec![f32::NAN; 3]];
    assert!(refused(dense.wgsl("net").literals(&values).source()).contains("NaN"));
    assert!(refused(dense.wgsl("net").literals(&values[..1]).source()).contains("[6]"));
    let large = network(Sequential::new(100).dense(60));
    let values = [vec![0.0; 6000], vec![0.0; 60]];
    assert!(refused(large.wgsl("net").literals(&values).source()).contains("5000"));
}

#[test]
fn the_text_is_as_it_was_read() {
    let model = Sequential::new(2).dense(8).activation(Activation::leaky_relu()).dense(3);
    let text = model.build().unwrap().wgsl("net").source().unwrap();
    crate::snapshots::compare("shader_function.wgsl", &text);
}
