//! Initializers have their distributions, and layers draw from those that suit them.

use wgrad::__internal::spec::initializer::InitializerKind;
use wgrad::{Activation, Dense, Initializer, Sequential};

use super::complete;

/// Mean, standard deviation, least and largest.
fn statistics(draws: &[f32]) -> [f64; 4] {
    let n = draws.len() as f64;
    let numbers = || draws.iter().map(|&x| f64::from(x));
    let mean = numbers().sum::<f64>() / n;
    let deviation = (numbers().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    [mean, deviation, numbers().fold(f64::MAX, f64::min), numbers().fold(f64::MIN, f64::max)]
}

#[test]
fn initializers_have_their_mean_deviation_and_bounds() {
    let (fan_in, fan_out, len) = (200, 100, 100_000);
    let uniform = |bound: f64| (0.0, bound / 3f64.sqrt(), bound);
    for (name, (mean, deviation, bound)) in [
        ("zeros", (0.0, 0.0, 0.0)),
        ("normal", (0.0, 1.0, f64::MAX)),
        ("normal(mean=3, std=0.5)", (3.0, 0.5, f64::MAX)),
        ("uniform", (0.5, 1.0 / 12f64.sqrt(), 1.0)),
        ("uniform(low=-2, high=2)", uniform(2.0)),
        ("xavier_uniform", uniform((6.0f64 / 300.0).sqrt())),
        ("xavier_uniform(gain=2)", uniform(2.0 * (6.0f64 / 300.0).sqrt())),
        ("xavier_normal", (0.0, (2.0f64 / 300.0).sqrt(), f64::MAX)),
        ("kaiming_uniform", uniform((6.0f64 / 200.0).sqrt())),
        ("kaiming_uniform(fan_out=1, gain=1)", uniform((3.0f64 / 100.0).sqrt())),
        ("kaiming_normal", (0.0, (2.0f64 / 200.0).sqrt(), f64::MAX)),
        ("ones", (1.0, 0.0, 1.0)),
        ("constant(value=0.25)", (0.25, 0.0, 0.25)),
        ("truncated_normal", (0.0, 0.879_625_66, 2.0)),
        ("truncated_normal(mean=5, std=0.1, low=-1, high=1)", (1.0, 0.0, 1.0)),
        ("lecun_uniform", uniform((3.0f64 / 200.0).sqrt())),
        ("lecun_normal", (0.0, (1.0f64 / 200.0).sqrt(), 2.0 / 0.879_625_66 / 200f64.sqrt())),
        ("variance_scaling(scale=2, mode=1)", (0.0, (2.0f64 / 100.0).sqrt(), f64::MAX)),
        ("variance_scaling(mode=2, distribution=1)", (0.0, (1.0f64 / 150.0).sqrt(), f64::MAX)),
        ("variance_scaling(mode=1, distribution=2)", uniform((3.0f64 / 100.0).sqrt())),
        ("torch_linear", uniform(1.0 / 200f64.sqrt())),
        ("siren", uniform((6.0f64 / 200.0).sqrt() / 30.0)),
        ("siren(first=1)", uniform(1.0 / 200.0)),
    ] {
        let initializer: Initializer = name.parse().unwrap();
        let draws = initializer.draw(1, 0, fan_in, fan_out, len);
        let [got_mean, got_deviation, low, high] = statistics(&draws);
        // Five standard errors of 100 000 draws.
        assert!((got_mean - mean).abs() <= 0.016 * deviation, "{name}: mean {got_mean}");
        let error = (got_deviation - deviation).abs();
        assert!(error <= 0.012 * deviation, "{name}: deviation {got_deviation}");
        assert!(low >= -bound * 1.000001 && high <= bound * 1.000001, "{name}: {low} to {high}");
        if bound < f64::MAX && bound > 0.0 {
            assert!(high > 0.999 * bound, "{name}: {high} is far below {bound}");
        }
    }
}

#[test]
fn initializers_of_matrices_give_matrices() {
    let draw = |name: &str, rows: usize, cols: usize| {
        let initializer: Initializer = name.parse().unwrap();
        initializer.draw(5, 0, cols, rows, rows * cols)
    };
    assert_eq!(draw("eye(gain=2)", 2, 3), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    for (rows, cols) in [(5, 17), (17, 5), (8, 8), (1, 1)] {
        let m = draw("orthogonal(gain=3)", rows, cols);
        let (count, length) = (rows.min(cols), rows.max(cols));
        let at = |vector: usize, place: usize| {
            f64::from(if rows <= cols {
                m[vector * cols + place]
            } else {
                m[place * cols + vector]
            })
        };
        for a in 0..count {
            for b in 0..count {
                let product: f64 = (0..length).map(|place| at(a, place) * at(b, place)).sum();
                let want = if a == b { 9.0 } else { 0.0 };
                assert!((product - want).abs() < 1e-5, "{rows} x {cols}: {a}.{b} = {product}");
            }
        }
    }
    let m = draw("sparse(sparsity=0.3)", 10, 50);
    for col in 0..50 {
        let zeros = (0..10).filter(|row| m[row * 50 + col] == 0.0).count();
        assert_eq!(zeros, 3, "column {col}");
    }
    let deviation = statistics(&m)[1];
    assert!((deviation - 0.01 * 0.7f64.sqrt()).abs() < 0.0015, "{deviation}");
    let wide = Sequential::new(2).layer(Dense::new(2).biases(Initializer::eye())).build();
    let message = wide.unwrap_err().to_string();
    assert!(message.contains("layer 0") && message.contains("eye"), "{message}");
}

#[test]
fn gains_are_pytorchs() {
    let gains = [("tanh", 5.0 / 3.0), ("relu", 2f64.sqrt()), ("selu", 0.75), ("sigmoid", 1.0)];
    for (name, gain) in gains {
        assert_eq!(Initializer::gain(&name.parse().unwrap()), gain, "{name}");
    }
    let leaky = Initializer::gain(&"leaky_relu(alpha=0.5)".parse().unwrap());
    assert!((leaky - (2.0f64 / 1.25).sqrt()).abs() < 1e-15);
}

/// The weights that a dense layer of 40 outputs draws from 30 inputs.
fn drawn(initializer: &str) -> Vec<f32> {
    initializer.parse::<Initializer>().unwrap().draw(7, 0, 30, 40, 1200)
}

#[test]
fn every_activation_has_the_initializer_that_suits_it() {
    let kaiming = "relu relu6 relu_squared thresholded_relu crelu elu celu gelu gelu_tanh quick_gelu silu mish tanh_exp \
        hard_swish squareplus softplus reglu geglu swiglu";
    let xavier = "sigmoid hard_sigmoid tanh hard_tanh softsign softmax log_softmax glu gaussian";
    let gain =
        |slope: f64| format!("kaiming_uniform(gain={})", (2.0 / (1.0 + slope * slope)).sqrt());
    for f in Activation::all() {
        let wanted = match f.name() {
            name if kaiming.split_whitespace().any(|other| other == name) => {
                "kaiming_uniform".into()
            }
            "leaky_relu" => gain(0.01),
            "prelu" => gain(0.25),
            "rrelu" => gain(0.5 * (1.0 / 8.0 + 1.0 / 3.0)),
            "srelu" => gain(0.2),
            "selu" => "lecun_normal".into(),
            "sine" => "siren(omega=1, first=1)".into(),
            name if xavier.split_whitespace().any(|other| other == name) => "xavier_uniform".into(),
            // What its entry says.
            _ => f.initializer().unwrap_or(Initializer::xavier_uniform()).to_string(),
        };
        let network = Sequential::new(30).dense(40).activation(f);
        let first = &network.build().unwrap().initial(7)[0];
        assert_eq!(*first, drawn(&wanted), "{f}: not {wanted}");
        // Norms and dropout keep the scale.
        let through = Sequential::new(30).dense(40).batch_norm().dropout(0.5).activation(f);
        let first = &through.build().unwrap().initial(7)[0];
        assert_eq!(*first, drawn(&wanted), "{f} past a norm and dropout: not {wanted}");
    }
    let plain = Sequential::new(30).dense(40).layer_norm().dense(1).activation(Activation::relu());
    assert_eq!(plain.build().unwrap().initial(7)[0], drawn("xavier_uniform"));
}

#[test]
fn layers_of_sines_begin_as_sirens() {
    let sine = Activation::sine().with("omega", 30.0).unwrap();
    let network = Sequential::new(2).dense(64).activation(sine).dense(64).activation(sine).dense(1);
    let initial = network.build().unwrap().initial(0);
    let largest = |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
    let hidden = (6f32 / 64.0).sqrt() / 30.0;
    for (values, bound) in [(&initial[0], 0.5), (&initial[2], hidden)] {
        let most = largest(values);
        assert!(most <= bound && most > 0.95 * bound, "{most} for {bound}");
    }
    let still = Activation::sine().with("omega", 0.0).unwrap();
    assert!(Sequential::new(2).dense(4).activation(still).build().is_ok());
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_or_parameter_others() {
    let constant = ["zeros", "ones", "constant", "eye"];
    for initializer in complete::<InitializerKind>() {
        if constant.contains(&initializer.name()) {
            continue;
        }
        let draw = |seed, index| initializer.draw(seed, index, 10, 10, 50);
        assert_eq!(draw(7, 3), draw(7, 3), "{initializer}");
        assert_ne!(draw(7, 3), draw(8, 3), "{initializer}");
        assert_ne!(draw(7, 3), draw(7, 4), "{initializer}");
        // A longer tensor begins with the same numbers.
        if !initializer.needs_matrix() {
            assert_eq!(initializer.draw(7, 3, 10, 10, 20), draw(7, 3)[..20]);
        }
        assert!(initializer.draw(7, 3, 0, 0, 4).iter().all(|x| x.is_finite()), "{initializer}");
    }
}
