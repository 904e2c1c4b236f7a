//! Running sums along an axis.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Slot};

/// The number of elements that are added one after the other before their sums are: the error of a sum grows with its
/// additions.
const BLOCK: usize = 64;

/// A running sum. Includes the inactive rows of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanOp {
    /// The terms.
    pub x: Slot,
    /// The sum of each element and those before it.
    pub out: Slot,
    /// The three axes of `x`, each merged from adjacent axes; the sums run along the middle one.
    pub split: [usize; 3],
    /// True if the sums begin at the last element.
    pub reversed: bool,
}

impl ScanOp {
    pub fn name(&self) -> String {
        if self.reversed { "cumsum_reversed".into() } else { "cumsum".into() }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        Effects::default().read([self.x]).write([self.out])
    }
}
