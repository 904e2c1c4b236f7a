//! Test programs of the family, each op with its backward.

use crate::error::Result;
use crate::ir::Slot;
use crate::ops::case::Case;
use crate::spec::Reduce;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Reduce::ALL.into_iter().map(reduction).collect()
}

/// Reductions along the last axis, one in the middle, and all of them; also along a long one, which takes several
/// passes.
fn reduction(f: Reduce) -> Result<Case> {
    let mut case = Case::new(format!("tensor.{}", f.name()));
    let (x, long) = (case.real(&[5, 13, 40])?, case.real(&[3, 5000])?);
    let ways: [(Slot, &[isize]); 4] = [(x, &[-1]), (x, &[1]), (x, &[]), (long, &[1])];
    for (x, dims) in ways {
        let y = case.program.reduce("y", f, x, dims)?;
        if f.check_gradient().is_ok() {
            let extents = case.program.shape(y)?.to_vec();
            let grad = case.real(&extents)?;
            case.program.reduce_backward("dx", f, (x, y), grad, dims)?;
        }
    }
    Ok(case)
}
