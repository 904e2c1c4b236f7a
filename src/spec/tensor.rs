//! Arithmetic of two tensors and reductions of one: what each is.

use crate::error::{Error, Result};

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a b
    Mul,
    /// a / b
    Div,
}

impl Arithmetic {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Add, Self::Sub, Self::Mul, Self::Div];

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
        }
    }
}

/// What becomes of the numbers along some axes.
///
/// Where PyTorch has the function, it has this name there.
///
/// ```
/// use wgrad::{Device, Reduce};
///
/// let device = Device::cpu();
/// let x = device.tensor(&ndarray::array![[3.0, 4.0], [6.0, 8.0]])?;
/// let rows = device.reduce(Reduce::L2Norm, &x, &[-1])?;
/// assert_eq!(rows.read()?, ndarray::array![5.0, 10.0].into_dyn());
/// let all = device.reduce(Reduce::Mean, &x, &[])?;
/// assert_eq!(all.read()?, ndarray::arr0(5.25).into_dyn());
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// The sum; of nothing 0.
    Sum,
    /// The sum divided by the number of terms.
    Mean,
    /// The largest; NaN if there is one. Its gradient is shared evenly among equals.
    Amax,
    /// The smallest; NaN if there is one. Its gradient is shared evenly among equals.
    Amin,
    /// log(sum exp(x)), without overflow; of nothing -inf. Where it is infinite, its gradient is NaN at the infinities.
    Logsumexp,
    /// sum |x|; of nothing 0.
    L1Norm,
    /// sqrt(sum x^2), without overflow; of nothing 0. Its gradient at 0 is 0.
    L2Norm,
    /// The largest |x|; of nothing 0. Its gradient is shared evenly among equals, at 0 it is 0.
    MaxNorm,
    /// The place of the first of the largest, a NaN being larger than all: an index.
    Argmax,
    /// The place of the first of the smallest, a NaN being smaller than all: an index.
    Argmin,
    /// How many are NaN, by their bits; exact below 2^24.
    CountNan,
    /// How many are infinite, by their bits; exact below 2^24.
    CountInf,
}

impl Reduce {
    /// Every reduction.
    pub const ALL: [Self; 12] = [
        Self::Sum,
        Self::Mean,
        Self::Amax,
        Self::Amin,
        Self::Logsumexp,
        Self::L1Norm,
        Self::L2Norm,
        Self::MaxNorm,
        Self::Argmax,
        Self::Argmin,
        Self::CountNan,
        Self::CountInf,
    ];

    /// Those whose gradient depends on the numbers.
    pub(crate) const WITH_PULL: [Self; 6] =
        [Self::Amax, Self::Amin, Self::Logsumexp, Self::L1Norm, Self::L2Norm, Self::MaxNorm];

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Amax => "amax",
            Self::Amin => "amin",
            Self::Logsumexp => "logsumexp",
            Self::L1Norm => "l1_norm",
            Self::L2Norm => "l2_norm",
            Self::MaxNorm => "max_norm",
            Self::Argmax => "argmax",
            Self::Argmin => "argmin",
            Self::CountNan => "count_nan",
            Self::CountInf => "count_inf",
        }
    }

    /// Whether the results are indices.
    pub const fn gives_indices(self) -> bool {
        matches!(self, Self::Argmax | Self::Argmin)
    }

    /// What the results of parts are reduced by; None if parts do not give the whole.
    pub const fn over_parts(self) -> Option<Self> {
        match self {
            Self::L1Norm | Self::CountNan | Self::CountInf => Some(Self::Sum),
            Self::Mean | Self::Argmax | Self::Argmin => None,
            same => Some(same),
        }
    }

    /// Whether nothing has a result.
    pub const fn takes_nothing(self) -> bool {
        !matches!(self, Self::Mean | Self::Amax | Self::Amin | Self::Argmax | Self::Argmin)
    }

    /// Fails for a reduction without a gradient.
    pub(crate) fn check_gradient(self) -> Result<()> {
        match self {
            Self::Argmax | Self::Argmin | Self::CountNan | Self::CountInf => {
                Err(Error::unsupported(self.name(), "indices and counts have no gradient"))
            }
            _ => Ok(()),
        }
    }
}
