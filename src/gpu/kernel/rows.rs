//! How row-wise kernels go about their rows.

use super::parts::{REDUCE, shader};

/// How a row-wise kernel reads its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Number by number.
    One,
    /// By fours.
    Four,
}

/// How the lanes of a row put together what each of them found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// There is one.
    One,
    /// They are a subgroup.
    Subgroup,
    /// They are a workgroup, whose subgroups put together what they found among themselves first.
    Subgroups,
    /// At the barriers of a workgroup.
    Workgroup,
}

/// How a row-wise kernel goes about its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// How it reads them.
    pub reads: Reads,
    /// How their lanes meet.
    pub lanes: Lanes,
}

impl Rows {
    /// What works for all rows.
    pub const PLAIN: Self = Self { reads: Reads::One, lanes: Lanes::Workgroup };

    /// Every way.
    pub fn all() -> impl Iterator<Item = Self> {
        let both = [Reads::One, Reads::Four].into_iter();
        both.flat_map(|reads| Lanes::ALL.map(|lanes| Self { reads, lanes }))
    }

    /// What suits rows of `cols` numbers `inner` apart: fours if they lie side by side, their count a multiple of four.
    pub fn of(cols: usize, inner: usize, lanes: Lanes) -> Self {
        let reads = if inner == 1 && cols.is_multiple_of(4) { Reads::Four } else { Reads::One };
        Self { reads, lanes }
    }

    /// What it adds to a kernel's label.
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
    /// What blocks of 1024 numbers are summed by: more than one lane.
    pub(crate) const OF_BLOCKS: [Self; 3] = [Self::Workgroup, Self::Subgroup, Self::Subgroups];

    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::One => ".one_lane",
            Self::Subgroup => ".subgroup",
            Self::Subgroups => ".subgroups",
            Self::Workgroup => "",
        }
    }

    /// The texts of sums and maxima over the lanes of a row.
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
