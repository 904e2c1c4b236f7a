//! Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1,
//! 2, 3", 2011). A value is a pure function of seed, stream, step and element, so CPU and GPU draw the same bits
//! (`shaders/lib/random.wgsl` is the GPU implementation) and a resumed run continues exactly where it stopped.

#![allow(clippy::indexing_slicing, reason = "fixed-size arrays, indices bounded by constants")]

/// The word folded into a stream's key, so that stream numbers are not counters of the seed's own sequence.
const STREAM_TAG: u32 = 0x7767_7261;

/// The purpose of a stream of random numbers. Each purpose draws from its own stream; layers add their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Initial weights of a parameter.
    Init(u32),
    /// The order of the rows in an epoch.
    Shuffle,
    /// The draws of a layer with dropout or another stochastic activation.
    Dropout(u32),
    /// A generated data set.
    Data(u32),
    /// A train/validation split.
    Split,
    /// The noise that an optimizer adds to its steps.
    Optimizer,
    /// Noise on gradients.
    GradientNoise,
}

impl Stream {
    fn number(self) -> u32 {
        let (purpose, index) = match self {
            Self::Init(index) => (1, index),
            Self::Shuffle => (2, 0),
            Self::Dropout(index) => (3, index),
            Self::Data(index) => (4, index),
            Self::Split => (5, 0),
            Self::Optimizer => (6, 0),
            Self::GradientNoise => (7, 0),
        };
        purpose << 24 | index & 0x00ff_ffff
    }
}

/// The key of one stream of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub [u32; 2]);

impl Key {
    /// Folds a seed and a stream into a key: `threefry(key = (low word, high word), counter = (stream, tag))`.
    pub fn new(seed: u64, stream: Stream) -> Self {
        Self(threefry([seed as u32, (seed >> 32) as u32], [stream.number(), STREAM_TAG]))
    }

    /// The two random words of one element at one step.
    #[doc(hidden)]
    pub fn words(self, step: u32, element: u32) -> [u32; 2] {
        threefry(self.0, [step, element])
    }

    /// A uniform sample in [0, 1) on a grid of 2^-24.
    pub fn uniform(self, step: u32, element: u32) -> f32 {
        unit(self.words(step, element)[0])
    }

    /// A standard Gumbel sample, -log(-log(u)) with u the midpoint of one of 2^23 equal parts of (0, 1).
    pub(crate) fn gumbel(self, step: u32, element: u32) -> f64 {
        let [word, _] = self.words(step, element);
        let u = f64::from(2 * (word >> 9) + 1) / 16_777_216.0;
        -(-u.ln()).ln()
    }

    /// A standard normal sample (Box-Muller in `f64`).
    pub fn normal(self, step: u32, element: u32) -> f64 {
        let [a, b] = self.words(step, element);
        // Centred in its cell, the uniform sample of the radius is never 0.
        let radius = (-2.0 * ((f64::from(a) + 0.5) / 4_294_967_296.0).ln()).sqrt();
        radius * (std::f64::consts::TAU * f64::from(b) / 4_294_967_296.0).cos()
    }

    /// Two independent standard normal samples from 24 bits each, computed the same way in the shaders.
    pub(crate) fn normals(self, step: u32, element: u32) -> [f64; 2] {
        let [a, b] = self.words(step, element).map(|word| f64::from(unit(word)));
        let radius = (-2.0 * (a + 1.0 / 16_777_216.0).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * b).sin_cos();
        [radius * cos, radius * sin]
    }

    /// The position of `index` in the `round`-th random order of `0..n`: a bijection of `0..n` for each round. An index
    /// from `n` on counts modulo `n`.
    ///
    /// A Feistel network of four Threefry rounds over the next power of four, with cycle walking until the value is
    /// below `n`.
    #[doc(hidden)]
    pub fn permute(self, round: u32, index: u32, n: u32) -> u32 {
        if n <= 1 {
            return 0;
        }
        let half_bits = (32 - (n - 1).leading_zeros()).div_ceil(2);
        let mask = ((1u64 << half_bits) - 1) as u32;
        // Cycle walking that starts at n or beyond might never come back below n.
        let mut value = index % n;
        loop {
            let (mut left, mut right) = (value >> half_bits & mask, value & mask);
            for turn in 0..4 {
                let mixed = threefry(self.0, [round, turn << 16 | right])[0] & mask;
                (left, right) = (right, left ^ mixed);
            }
            value = ((u64::from(left) << half_bits) as u32) | right;
            if value < n {
                return value;
            }
        }
    }
}

/// The top 24 bits of a word as a uniform sample in [0, 1).
#[doc(hidden)]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The Threefry-2x32 block function, 20 rounds.
pub(crate) fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd1_1bda];
    let mut x = [counter[0].wrapping_add(schedule[0]), counter[1].wrapping_add(schedule[1])];
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            x[0] = x[0].wrapping_add(x[1]);
            x[1] = x[1].rotate_left(rotation) ^ x[0];
        }
        x[0] = x[0].wrapping_add(schedule[(group + 1) % 3]);
        x[1] = x[1].wrapping_add(schedule[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threefry_gives_the_known_answers_of_its_authors() {
        // From Random123's kat_vectors, threefry2x32 20.
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        let (key, counter) = ([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]);
        assert_eq!(threefry(key, counter), [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn permute_is_a_bijection_for_every_size_and_differs_by_round() {
        let key = Key::new(7, Stream::Shuffle);
        for n in (0..70).chain([255, 256, 257, 1000, 1797]) {
            let order: Vec<u32> = (0..n).map(|i| key.permute(3, i, n)).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n).collect::<Vec<_>>(), "n = {n}");
            if n > 20 {
                assert_ne!(order, (0..n).map(|i| key.permute(4, i, n)).collect::<Vec<_>>());
            }
        }
        assert!(key.permute(0, u32::MAX - 1, u32::MAX) < u32::MAX);
    }

    #[test]
    fn normals_have_mean_0_and_variance_1() {
        let key = Key::new(1, Stream::Data(0));
        let draws: Vec<f64> = (0..100_000).map(|i| key.normal(0, i)).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Key::new(0, Stream::Init(0)), Key::new(0, Stream::Init(1)));
        assert_ne!(Key::new(0, Stream::Init(0)), Key::new(0, Stream::Dropout(0)));
    }
}
