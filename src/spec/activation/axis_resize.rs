//! Activations that change the length of an axis.

use super::initializer::{KAIMING, XAVIER};
use super::rows::{RowMap, RowPasses};
use super::{ActivationKind, DefaultInitializer, Tolerance};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::Param;
use crate::spec::registry::{Choice, Entry, Values};
use crate::walk::put;

/// An activation that changes the length of an axis.
#[derive(Debug)]
pub struct AxisResizeKind {
    /// The WGSL functions `forward` and `backward` of one cell, or `gate` if gated.
    pub shader: &'static str,
    /// The default initializer of the layer before it; for a gated one, that of the gate.
    pub initializer: DefaultInitializer,
    /// True if the output is the first half of the axis times a function of the second half.
    pub gated: bool,
    /// The output length of the axis given its input length; the error states the requirement on the length.
    pub resize: fn(&Values, usize) -> Result<usize, String>,
    /// The error bound of forward and, relative to its terms, of backward.
    pub bound: Tolerance,
    /// The reference over one row.
    pub passes: RowPasses,
}

const DIM: Param = Param::axis("dim", -1);
const EXACT: Tolerance = Tolerance::ulps(0.0);

macro_rules! axis_resize {
    ($file:literal, $initializer:expr, gated: $gated:literal, $resize:expr, $bound:expr, $forward:ident, $backward:ident) => {
        ActivationKind::AxisResize(AxisResizeKind {
            shader: include_str!(concat!("../../../shaders/activation/", $file, ".wgsl")),
            initializer: $initializer,
            gated: $gated,
            resize: $resize,
            bound: $bound,
            passes: Both {
                f32: RowMap { forward: $forward::<f32>, backward: $backward::<f32> },
                f64: RowMap { forward: $forward::<f64>, backward: $backward::<f64> },
            },
        })
    };
}

/// Builds a gated activation from the value and derivative of its gate.
macro_rules! gate {
    ($file:literal, $initializer:expr, $bound:expr, $x:ident => $gate:expr) => {{
        fn gate<F: Float>($x: F) -> (F, F) {
            $gate
        }
        fn forward<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
            gated(gate, x, y)
        }
        fn backward<F: Float>(_: &Values<F>, x: &[F], g: &[F], out: &mut [F]) {
            gated_backward(gate, x, g, out)
        }
        axis_resize!($file, $initializer, gated: true, half, $bound, forward, backward)
    }};
}

entries! { ActivationKind;
    crelu {
        aliases: [],
        params: [DIM],
        formula: "max(0, x), then max(0, -x): doubles the axis",
        source: "Shang et al. 2016; derivative 0 at 0",
        kind: axis_resize!("crelu", KAIMING, gated: false, twice, EXACT, crelu, crelu_backward),
    }
    glu {
        aliases: [],
        params: [DIM],
        formula: "a / (1 + exp(-b)), a and b the halves of the axis",
        source: "torch.nn.GLU; Dauphin et al. 2017",
        kind: gate!("glu", XAVIER, Tolerance::ulps(8.0), x => (x.sigmoid(), x.sigmoid() * (-x).sigmoid())),
    }
    reglu {
        aliases: [],
        params: [DIM],
        formula: "a * max(0, b), a and b the halves of the axis",
        source: "Shazeer 2020, with the second half as the gate as in torch.nn.GLU; derivative 0 at b = 0",
        kind: gate!("reglu", KAIMING, Tolerance::ulps(1.0), x => if x <= F::zero() { (F::zero(), F::zero()) } else { (x, F::one()) }),
    }
    geglu {
        aliases: [],
        params: [DIM],
        formula: "a * gelu(b), a and b the halves of the axis",
        source: "Shazeer 2020, with the second half as the gate as in torch.nn.GLU",
        kind: gate!("geglu", KAIMING, Tolerance::ulps(12.0), x => {
            let cdf = F::of(0.5) * (-x * F::of(std::f64::consts::FRAC_1_SQRT_2)).erfc();
            let pdf = (F::of(-0.5) * x * x).exp() * F::of(1.0 / std::f64::consts::TAU.sqrt());
            let near = x.max(F::of(-1e4));
            (near * cdf, cdf + near.min(F::of(1e4)) * pdf)
        }),
    }
    swiglu {
        aliases: [],
        params: [DIM],
        formula: "a * b / (1 + exp(-b)), a and b the halves of the axis",
        source: "Shazeer 2020, with the second half as the gate as in torch.nn.GLU",
        kind: gate!("swiglu", KAIMING, Tolerance::ulps(8.0), x => {
            let near = x.max(F::of(-1e4));
            (near * x.sigmoid(), x.sigmoid() * (F::one() + near.min(F::of(1e4)) * (-x).sigmoid()))
        }),
    }
    maxout {
        aliases: [],
        params: [Param::integer("pieces", 2, [1, 1_000_000]), DIM],
        formula: "the largest of each group of pieces neighbours on the axis",
        source: "Goodfellow et al. 2013; the gradient goes to the first largest",
        kind: axis_resize!("maxout", XAVIER, gated: false, |[pieces, ..], len| {
            let pieces = *pieces as usize;
            let wanted = || format!("it must be a multiple of the {pieces} pieces");
            len.checked_div(pieces).filter(|groups| groups * pieces == len).ok_or_else(wanted)
        }, EXACT, maxout, maxout_backward),
    }
}

/// The doubled axis.
fn twice(_: &Values, len: usize) -> Result<usize, String> {
    len.checked_mul(2).ok_or_else(|| "its double must be a length".to_string())
}

fn half(_: &Values, len: usize) -> Result<usize, String> {
    if len.is_multiple_of(2) { Ok(len / 2) } else { Err("it must be even".to_string()) }
}

fn gated<F: Float>(gate: fn(F) -> (F, F), x: &[F], y: &mut [F]) {
    let (a, b) = x.split_at(y.len());
    y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = a * gate(b).0);
}

fn gated_backward<F: Float>(gate: fn(F) -> (F, F), x: &[F], g: &[F], out: &mut [F]) {
    let ((a, b), (da, db)) = (x.split_at(g.len()), out.split_at_mut(g.len()));
    for (((&a, &b), &g), (da, db)) in a.iter().zip(b).zip(g).zip(da.iter_mut().zip(db)) {
        let (value, slope) = gate(b);
        (*da, *db) = (g * value, g * a * slope);
    }
}

fn positive<F: Float>(x: F) -> F {
    if x <= F::zero() { F::zero() } else { x }
}

fn crelu<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
    let (right, left) = y.split_at_mut(x.len());
    for (&x, (right, left)) in x.iter().zip(right.iter_mut().zip(left)) {
        (*right, *left) = (positive(x), positive(-x));
    }
}

fn crelu_backward<F: Float>(_: &Values<F>, x: &[F], g: &[F], out: &mut [F]) {
    let (right, left) = g.split_at(x.len());
    for (out, (&x, (&right, &left))) in out.iter_mut().zip(x.iter().zip(right.iter().zip(left))) {
        *out = if x > F::zero() {
            right
        } else if x < F::zero() {
            -left
        } else {
            x
        };
    }
}

/// The index of the first largest element; NaN counts as larger than every number.
fn best<F: Float>(group: &[F]) -> usize {
    let better = |x: F, than: F| x > than || (x.is_nan() && !than.is_nan());
    let start = (0, group.first().copied().unwrap_or_else(F::zero));
    group
        .iter()
        .enumerate()
        .fold(start, |best, (i, &x)| if better(x, best.1) { (i, x) } else { best })
        .0
}

fn maxout<F: Float>([pieces, ..]: &Values<F>, x: &[F], y: &mut [F]) {
    for (group, y) in x.chunks(pieces.as_f64() as usize).zip(y) {
        *y = group.get(best(group)).copied().unwrap_or_else(F::zero);
    }
}

fn maxout_backward<F: Float>([pieces, ..]: &Values<F>, x: &[F], g: &[F], out: &mut [F]) {
    let pieces = pieces.as_f64() as usize;
    out.fill(F::zero());
    for ((group, out), &g) in x.chunks(pieces).zip(out.chunks_mut(pieces)).zip(g) {
        put(out, best(group), g);
    }
}
