//! The definitions of the binary arithmetic ops and the reductions.

use crate::error::{Error, Result};

/// An elementwise binary operation.
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
    #[doc(hidden)]
    pub const ALL: [Self; 4] = [Self::Add, Self::Sub, Self::Mul, Self::Div];

    /// The operation's name in lower case.
    #[doc(hidden)]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
        }
    }
}

/// A reduction over some axes of a tensor.
///
/// The name is PyTorch's if PyTorch has the function.
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
    /// The sum; 0 for an empty axis.
    Sum,
    /// The sum divided by the number of terms.
    Mean,
    /// The largest element; NaN if any is NaN. Its gradient is split evenly among equal elements.
    Amax,
    /// The smallest element; NaN if any is NaN. Its gradient is split evenly among equal elements.
    Amin,
    /// log(sum exp(x)), without overflow; -inf for an empty axis. Where the result is infinite, its gradient is NaN at
    /// the infinite elements.
    Logsumexp,
    /// sum |x|; 0 for an empty axis.
    L1Norm,
    /// sqrt(sum x^2), without overflow; 0 for an empty axis. Its gradient at 0 is 0.
    L2Norm,
    /// The largest |x|; 0 for an empty axis. Its gradient is split evenly among equal elements; at 0 it is 0.
    MaxNorm,
    /// The index of the first largest element; NaN counts as larger than every number.
    Argmax,
    /// The index of the first smallest element; NaN counts as smaller than every number.
    Argmin,
    /// The number of NaN elements, detected by their bits; exact below 2^24.
    CountNan,
    /// The number of infinite elements, detected by their bits; exact below 2^24.
    CountInf,
}

impl Reduce {
    /// Every reduction.
    #[doc(hidden)]
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

    /// The reductions whose gradient depends on the elements.
    pub(crate) const WITH_ELEMENT_GRADIENT: [Self; 6] =
        [Self::Amax, Self::Amin, Self::Logsumexp, Self::L1Norm, Self::L2Norm, Self::MaxNorm];

    /// The reduction's name in lower case.
    #[doc(hidden)]
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

    /// Returns whether the results are indices.
    #[doc(hidden)]
    pub const fn gives_indices(self) -> bool {
        matches!(self, Self::Argmax | Self::Argmin)
    }

    /// The reduction that combines the results of parts of an axis; `None` if the result cannot be computed from parts.
    #[doc(hidden)]
    pub const fn over_parts(self) -> Option<Self> {
        match self {
            Self::L1Norm | Self::CountNan | Self::CountInf => Some(Self::Sum),
            Self::Mean | Self::Argmax | Self::Argmin => None,
            same => Some(same),
        }
    }

    /// Returns whether the reduction of an empty axis is defined.
    #[doc(hidden)]
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
