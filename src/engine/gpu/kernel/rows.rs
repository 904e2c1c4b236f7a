//! Variants of row-wise kernels: load width and reduction scope.

use super::parts::{REDUCE, shader};

/// The load width of a row-wise kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One element per load.
    One,
    /// Four elements per load.
    Four,
}

/// The scope in which the lanes of a row reduce their partial results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// A single lane, no reduction.
    One,
    /// One subgroup.
    Subgroup,
    /// A workgroup: first within each subgroup, then across subgroups.
    Subgroups,
    /// A workgroup, by barriers and workgroup memory.
    Workgroup,
}

/// The variant of a row-wise kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The load width.
    pub reads: Reads,
    /// The reduction scope.
    pub lanes: Lanes,
}

impl Rows {
    /// The variant that works for all rows.
    pub const PLAIN: Self = Self { reads: Reads::One, lanes: Lanes::Workgroup };

    /// Iterates over all variants.
    pub fn all() -> impl Iterator<Item = Self> {
        let both = [Reads::One, Reads::Four].into_iter();
        both.flat_map(|reads| Lanes::ALL.map(|lanes| Self { reads, lanes }))
    }

    /// The variant for rows of `cols` elements with stride `inner`: loads of four if the elements are contiguous and
    /// their number is a multiple of four.
    pub fn of(cols: usize, inner: usize, lanes: Lanes) -> Self {
        let reads = if inner == 1 && cols.is_multiple_of(4) { Reads::Four } else { Reads::One };
        Self { reads, lanes }
    }

    /// The suffix of a kernel's label.
    pub(crate) fn suffix(self) -> String {
        let reads = match self.reads {
            Reads::One => "",
            Reads::Four => ".four",
        };
        reads.to_string() + self.lanes.suffix()
    }
}

impl Lanes {
    pub(crate) const ALL: [Self; 4] = [Self::Workgroup, Self::One, Self::Subgroup, Self::Subgroups];
    /// The scopes for sums over blocks of 1024 elements: all with more than one lane.
    pub(crate) const OF_BLOCKS: [Self; 3] = [Self::Workgroup, Self::Subgroup, Self::Subgroups];

    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::One => ".one_lane",
            Self::Subgroup => ".subgroup",
            Self::Subgroups => ".subgroups",
            Self::Workgroup => "",
        }
    }

    /// The sources of sums and maxima over the lanes of a row.
    pub(crate) const fn texts(self) -> [&'static str; 2] {
        let own = match self {
            Self::One => shader!("lib/lanes_one"),
            Self::Subgroup => shader!("lib/lanes_subgroup"),
            Self::Subgroups => shader!("lib/lanes_subgroups"),
            Self::Workgroup => shader!("lib/lanes_workgroup"),
        };
        [REDUCE, own]
    }
}
