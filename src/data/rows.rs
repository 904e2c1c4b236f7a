//! The forms in which rows of inputs are given.

use ndarray::{Array2, ArrayBase, ArrayView2, CowArray, Data, Ix2};

/// Rows of numbers, one per sample: a matrix, a view or a reference of one, or a list of arrays.
///
/// ```
/// use wgrad::data::Dataset;
///
/// let data = Dataset::new(vec![[0.0, 1.0], [2.0, 3.0]], vec![0, 1])?;
/// assert_eq!((data.len(), data.features(), data.outputs()), (2, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub trait IntoRows<'a> {
    /// Returns the rows as a matrix.
    fn into_rows(self) -> CowArray<'a, f32, Ix2>;
}

impl<'a> IntoRows<'a> for Array2<f32> {
    fn into_rows(self) -> CowArray<'a, f32, Ix2> {
        self.into()
    }
}

impl<'a> IntoRows<'a> for ArrayView2<'a, f32> {
    fn into_rows(self) -> CowArray<'a, f32, Ix2> {
        self.into()
    }
}

impl<'a> IntoRows<'a> for CowArray<'a, f32, Ix2> {
    fn into_rows(self) -> Self {
        self
    }
}

impl<'a, S: Data<Elem = f32>> IntoRows<'a> for &'a ArrayBase<S, Ix2> {
    fn into_rows(self) -> CowArray<'a, f32, Ix2> {
        self.view().into()
    }
}

impl<'a, const N: usize> IntoRows<'a> for Vec<[f32; N]> {
    fn into_rows(self) -> CowArray<'a, f32, Ix2> {
        Array2::from(self).into()
    }
}

impl<'a, const N: usize> IntoRows<'a> for &'a [[f32; N]] {
    fn into_rows(self) -> CowArray<'a, f32, Ix2> {
        ArrayView2::from(self).into()
    }
}
