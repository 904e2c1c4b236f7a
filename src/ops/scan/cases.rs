//! Test programs of the family.

use crate::error::Result;
use crate::ops::case::Case;

/// All cases of the family: along each axis, from either end, of one block and of blocks of blocks.
pub(crate) fn all() -> Result<Vec<Case>> {
    let mut case = Case::new("tensor.cumsum");
    for (extents, dim) in
        [(&[5, 13, 7][..], 0), (&[5, 13, 7], 1), (&[5, 13, 7], -1), (&[2, 200, 3], 1), (&[5000], 0)]
    {
        let x = case.real(extents)?;
        case.program.cumsum("sums", x, dim)?;
        case.program.cumsum_reversed("sums from the end", x, dim)?;
    }
    Ok(vec![case])
}
