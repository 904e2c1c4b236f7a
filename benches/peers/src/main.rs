//! The work of wgrad's report on burn: `cargo run --release -- wgpu` or `-- flex`, with `--quick` for fewer rounds; the words
//! left over choose sections. Prints a line of JSON per measurement; `compare.py` puts them beside others'.

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::{Device, Distribution, Int, Tensor};

struct Bench {
    device: Device,
    library: String,
    rounds: usize,
}

impl Bench {
    /// The median time of one call, of rounds of about a fifth of a second each.
    fn seconds<T>(&self, mut work: impl FnMut() -> T) -> f64 {
        let mut round = |count: usize| {
            let start = Instant::now();
            // What nobody keeps is never computed.
            let _kept: Vec<T> = (0..count).map(|_| work()).collect();
            self.device.sync().expect("the device answers");
            start.elapsed()
        };
        // Kernels are compiled and tuned.
        round(3);
        let once = round(1).max(Duration::from_micros(20));
        let count = (0.2 / once.as_secs_f64()).clamp(1.0, 1000.0) as usize;
        let mut times: Vec<f64> =
            (0..self.rounds).map(|_| round(count).as_secs_f64() / count as f64).collect();
        times.sort_by(f64::total_cmp);
        times[self.rounds / 2]
    }

    /// The same of work whose calls stay apart: of calls one right after the other with the same operands, burn's fusion makes
    /// one kernel, which reads and computes once for two or three.
    fn seconds_apart<T>(&self, mut work: impl FnMut() -> T) -> f64 {
        self.seconds(|| {
            let kept = work();
            self.device.sync().expect("the device answers");
            kept
        })
    }

    fn report(&self, name: &str, seconds: f64) {
        let library = &self.library;
        println!(
            "{{\"library\": \"{library}\", \"name\": \"{name}\", \"us\": {:.2}}}",
            seconds * 1e6
        );
    }

    fn random<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &self.device)
    }

    fn matmul(&self, side: usize) {
        let (a, b) = (self.random([side, side]), self.random([side, side]));
        let seconds = self.seconds(|| a.clone().matmul(b.clone()));
        self.report(&format!("matmul {side}"), seconds);
    }

    fn gelu(&self, millions: usize) {
        let x = self.random([millions << 20]);
        let seconds = self.seconds_apart(|| gelu(x.clone()));
        self.report(&format!("gelu {millions} M"), seconds);
    }

    /// 1 Mi parameters, with gradients that are given.
    fn adam(&self, tensors: usize) {
        let device = self.device.clone().autodiff();
        let len = (1 << 20) / tensors;
        let mut params: Vec<Param> = (0..tensors)
            .map(|_| Param { values: LinearConfig::new(len, 1).with_bias(false).init(&device) })
            .collect();
        let gradients: Vec<Tensor<2>> = (0..tensors).map(|_| self.random([len, 1])).collect();
        let mut optimizers: Vec<_> = (0..tensors).map(|_| AdamConfig::new().init()).collect();
        let seconds = self.seconds_apart(|| {
            let all = params.drain(..).zip(&gradients).zip(&mut optimizers);
            params = all
                .map(|((param, gradient), optimizer)| {
                    let mut own = GradientsParams::new();
                    own.register(param.values.weight.id, gradient.clone());
                    optimizer.step(1e-3, param, own)
                })
                .collect();
        });
        self.report(&format!("adam 1 M in {tensors}"), seconds);
    }

    fn cross_entropy(&self) {
        let device = self.device.clone().autodiff();
        let x = Tensor::<2>::random([4096, 1000], Distribution::Normal(0.0, 1.0), &device);
        let classes = Tensor::<1, Int>::random([4096], Distribution::Uniform(0.0, 1000.0), &device);
        let loss = CrossEntropyLossConfig::new().init(&device);
        let seconds = self.seconds_apart(|| {
            let x = x.clone().require_grad();
            let mut gradients = loss.forward(x.clone(), classes.clone()).backward();
            x.grad_remove(&mut gradients)
        });
        self.report("cross_entropy 4096 x 1000", seconds);
    }

    /// 1000 rows, 1-64-64-1, mean squared error, Adam.
    fn sine(&self) {
        let device = self.device.clone().autodiff();
        let x = Tensor::<2>::random([1000, 1], Distribution::Uniform(0.0, 1.0), &device);
        let y = (x.clone() * std::f32::consts::TAU).sin();
        let mut net = Net::new([1, 64, 64, 1], &device);
        let mut adam = AdamConfig::new().init();
        let mut step = || {
            let loss = MseLoss::new().forward(net.forward(x.clone()), y.clone(), Reduction::Mean);
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = adam.step(5e-3, net.clone(), gradients);
        };
        let seconds = self.seconds(&mut step);
        self.report("sine step", seconds);
    }

    /// 128 rows, 64-64-10, cross-entropy, Adam.
    fn digits(&self) {
        let device = self.device.clone().autodiff();
        let x = Tensor::<2>::random([128, 64], Distribution::Uniform(0.0, 1.0), &device);
        let classes = Tensor::<1, Int>::random([128], Distribution::Uniform(0.0, 10.0), &device);
        let loss = CrossEntropyLossConfig::new().init(&device);
        let mut net = Net::new([64, 64, 10, 0], &device);
        let mut adam = AdamConfig::new().init();
        let mut step = || {
            let loss = loss.forward(net.forward(x.clone()), classes.clone());
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = adam.step(1e-3, net.clone(), gradients);
        };
        let seconds = self.seconds(&mut step);
        self.report("digits step", seconds);
    }
}

#[derive(Module, Debug)]
struct Param {
    values: Linear,
}

#[derive(Module, Debug)]
struct Net {
    layers: Vec<Linear>,
}

impl Net {
    /// Linear layers of these widths, up to the first that is 0.
    fn new(widths: [usize; 4], device: &Device) -> Self {
        let pairs = widths.windows(2).filter(|pair| pair[1] > 0);
        Self {
            layers: pairs.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().expect("a network has layers");
        last.forward(hidden.iter().fold(x, |x, layer| relu(layer.forward(x))))
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|own| own == word);
    let (name, device) = match has("flex") {
        true => ("burn-flex", Device::flex()),
        false => ("burn-wgpu", Device::wgpu(Default::default())),
    };
    let rounds = if has("--quick") { 3 } else { 7 };
    let bench = Bench { device, library: format!("{name} 0.22.1"), rounds };
    // The words left over choose sections.
    let sections: Vec<&String> =
        words.iter().filter(|word| !["wgpu", "flex", "--quick"].contains(&word.as_str())).collect();
    let wants = |section: &str| sections.is_empty() || sections.iter().any(|own| *own == section);
    if wants("steps") {
        bench.sine();
        bench.digits();
    }
    if wants("matmul") {
        let sides: &[usize] = if has("--quick") { &[256, 512] } else { &[256, 512, 1024] };
        sides.iter().for_each(|side| bench.matmul(*side));
    }
    if wants("elementwise") {
        bench.gelu(4);
        bench.cross_entropy();
    }
    if wants("adam") {
        bench.adam(1);
        if !has("--quick") {
            bench.adam(1000);
        }
    }
}
