//! Parameters and ranges shared by several optimizers.

use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::spec::param::{Param, Range};

pub(super) const fn lr(default: f64) -> Param {
    Param::new("lr", default, Range::NOT_NEGATIVE)
}

pub(super) const fn decay(default: f64) -> Param {
    Param::new("weight_decay", default, Range::NOT_NEGATIVE)
}

pub(super) const fn eps(default: f64) -> Param {
    Param::new("eps", default, Range::NOT_NEGATIVE)
}

pub(super) const COUPLED: Param = Param::flag("decoupled", false);
pub(super) const DECOUPLED: Param = Param::flag("decoupled", true);
pub(super) const MAXIMIZE: Param = Param::flag("maximize", false);
pub(super) const BETA1: Param = Param::new("beta1", 0.9, Range::BELOW_ONE);
pub(super) const BETA2: Param = Param::new("beta2", 0.999, Range::BELOW_ONE);
pub(super) const AMSGRAD: Param = Param::flag("amsgrad", false);
/// Added inside the root, in addition to `eps` outside of it.
pub(super) const EPS_ROOT: Param = Param::new("eps_root", 0.0, Range::NOT_NEGATIVE);
pub(super) const BIAS_CORRECTION: Param = Param::flag("bias_correction", true);

pub(super) const POSITIVE_BELOW_ONE: Range = Range::new(Excluded(0.0), Excluded(1.0));
pub(super) const ABOVE_ONE: Range = Range::new(Excluded(1.0), Unbounded);
pub(super) const UP_TO_ONE: Range = Range::new(Excluded(0.0), Included(1.0));
pub(super) const FROM_ONE: Range = Range::new(Included(1.0), Unbounded);
pub(super) const NOT_POSITIVE: Range = Range::new(Unbounded, Included(0.0));
