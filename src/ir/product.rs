//! The form, dimensions and batch axes of a matrix product.

use super::Slot;
use crate::error::{Error, Result};
use crate::shape::{MAX_AXES, Shape};

/// The operands of a matrix product that are transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `a b`: a is (m, k), b is (k, n).
    NN,
    /// `a b^T`: a is (m, k), b is (n, k).
    NT,
    /// `a^T b`: a is (k, m), b is (k, n).
    TN,
}

impl Form {
    /// Every form.
    #[doc(hidden)]
    pub const ALL: [Self; 3] = [Self::NN, Self::NT, Self::TN];

    /// The lower-case name: `nn`, `nt`, `tn`.
    #[doc(hidden)]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NN => "nn",
            Self::NT => "nt",
            Self::TN => "tn",
        }
    }

    /// The products that give the gradients with respect to a and b of a product of this form, from its upstream
    /// gradient `g`.
    pub(crate) const fn gradients(self, a: Slot, b: Slot, g: Slot) -> [(Slot, Slot, Self); 2] {
        match self {
            Self::NN => [(g, b, Self::NT), (a, g, Self::TN)],
            Self::NT => [(g, b, Self::NN), (g, a, Self::TN)],
            Self::TN => [(b, g, Self::NT), (a, g, Self::NN)],
        }
    }

    /// The sizes (m, k, n) of the product of an (ar, ac) and a (br, bc) matrix, if their inner dimensions agree.
    pub(crate) const fn sides(
        self,
        (ar, ac): (usize, usize),
        (br, bc): (usize, usize),
    ) -> Option<[usize; 3]> {
        let (m, k, inner, n) = match self {
            Self::NN => (ar, ac, br, bc),
            Self::NT => (ar, ac, bc, br),
            Self::TN => (ac, ar, br, bc),
        };
        if k == inner { Some([m, k, n]) } else { None }
    }
}

/// The maximum number of batch axes of a product.
pub(crate) const MAX_BATCH_AXES: usize = MAX_AXES - 2;

/// A matrix product per index of the batch axes, as `torch.matmul`: the leading axes of tensors with more than two axes
/// are batch axes, which broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// Rows of the result.
    pub m: usize,
    /// The inner dimension.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
    /// The extents of the batch axes, outermost first, padded with ones in front.
    pub batch: [usize; MAX_BATCH_AXES],
    /// The stride of the left operand along each batch axis, in elements; 0 where it is broadcast.
    pub a_strides: [usize; MAX_BATCH_AXES],
    /// The stride of the right operand along each batch axis, likewise.
    pub b_strides: [usize; MAX_BATCH_AXES],
}

impl Product {
    /// The product of tensors of these shapes.
    ///
    /// # Errors
    /// [`Error::Shape`] if the inner dimensions differ or the batch axes do not broadcast.
    pub(crate) fn of(form: Form, a: Shape, b: Shape) -> Result<Self> {
        let name = format!("matmul.{}", form.name());
        let fails = |message| Error::shapes(&name, [a, b], message);
        let sides = form
            .sides(matrix(a), matrix(b))
            .ok_or_else(|| fails(format!("the inner sides of {a} and {b} differ")))?;
        let (left, right) = (batch_axes(a), batch_axes(b));
        let mut batch = [1; MAX_BATCH_AXES];
        for (extent, (&left, &right)) in batch.iter_mut().zip(left.iter().zip(&right)) {
            *extent = match (left, right) {
                (1, other) | (other, 1) => other,
                (left, right) if left == right => left,
                _ => return Err(fails(format!("the batch axes of {a} and {b} do not broadcast"))),
            };
        }
        let [m, k, n] = sides;
        let (a_strides, b_strides) = (strides(left, m * k), strides(right, k * n));
        Ok(Self { m, k, n, batch, a_strides, b_strides }.folded(form))
    }

    /// The product into an output of the given shape. A product of the form `a^T b` into a matrix sums over the batch
    /// axes, which gives the gradient of a matrix that was broadcast.
    ///
    /// # Errors
    /// As [`Product::of`], also if `out` has another shape than the product.
    pub(crate) fn into(form: Form, a: Shape, b: Shape, out: Shape) -> Result<Self> {
        if form == Form::TN && out.rank() == 2 && a.rank() > 2 {
            let [a_rows, b_rows] = [a, b].map(|shape| shape.with_rows(shape.rows()));
            return Self::into(form, a_rows?, b_rows?, out);
        }
        let product = Self::of(form, a, b)?;
        let expected = Self::shape(form, a, b)?;
        let same = matrix(out) == matrix(expected) && batch_axes(out) == batch_axes(expected);
        if same {
            return Ok(product);
        }
        let message =
            format!("the product of {a} and {b} has the shape {expected}, the output {out}");
        Err(Error::shapes(format!("matmul.{}", form.name()), [expected, out], message))
    }

    /// The shape of the product of tensors of these shapes.
    ///
    /// # Errors
    /// As [`Product::of`].
    pub(crate) fn shape(form: Form, a: Shape, b: Shape) -> Result<Shape> {
        Self::of(form, a, b)?;
        let [m, _, n] = form.sides(matrix(a), matrix(b)).unwrap_or_default();
        let axes = a.rank().max(b.rank()).saturating_sub(2);
        let (left, right) = (batch_axes(a), batch_axes(b));
        let broadcast = left.iter().zip(&right).map(|(&l, &r)| if l == 1 { r } else { l });
        let mut extents: Vec<usize> = broadcast.skip(MAX_BATCH_AXES - axes).collect();
        extents.extend([m, n]);
        Shape::new(&extents)
    }

    /// The number of matrix products.
    pub(crate) fn count(&self) -> usize {
        self.batch.iter().product()
    }

    /// The offset of each operand of a matrix product, in elements.
    pub(crate) fn offsets(&self, index: usize) -> [usize; 2] {
        let (mut rest, mut offsets) = (index, [0, 0]);
        let axes = self.batch.iter().zip(self.a_strides.iter().zip(&self.b_strides));
        for (&extent, (&a, &b)) in axes.rev() {
            let place = rest % extent.max(1);
            rest /= extent.max(1);
            offsets = [offsets[0] + place * a, offsets[1] + place * b];
        }
        offsets
    }

    /// Merges the batch axes into the rows, if the right operand is the same matrix for the whole batch.
    fn folded(self, form: Form) -> Self {
        let whole = self.a_strides == strides(self.batch, self.m * self.k);
        let one = self.b_strides == [0; MAX_BATCH_AXES];
        if form == Form::TN || !whole || !one || self.count() == 1 {
            return self;
        }
        let (m, none) = (self.m * self.count(), [0; MAX_BATCH_AXES]);
        Self { m, batch: [1; MAX_BATCH_AXES], a_strides: none, b_strides: none, ..self }
    }
}

/// The last two extents.
fn matrix(shape: Shape) -> (usize, usize) {
    let mut extents = shape.extents().rev();
    let cols = extents.next().unwrap_or(1);
    (extents.next().unwrap_or(1), cols)
}

/// The extents before the last two, padded with ones in front.
fn batch_axes(shape: Shape) -> [usize; MAX_BATCH_AXES] {
    let mut axes = [1; MAX_BATCH_AXES];
    let extents = shape.extents().rev().skip(2);
    axes.iter_mut().rev().zip(extents).for_each(|(axis, extent)| *axis = extent);
    axes
}

/// The distance of matrices of `len` elements along each axis; 0 along an axis of length 1.
fn strides(axes: [usize; MAX_BATCH_AXES], len: usize) -> [usize; MAX_BATCH_AXES] {
    let (mut strides, mut stride) = ([0; MAX_BATCH_AXES], len);
    for (place, &extent) in strides.iter_mut().zip(&axes).rev() {
        *place = if extent == 1 { 0 } else { stride };
        stride *= extent;
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(extents: &[usize]) -> Shape {
        Shape::new(extents).unwrap()
    }

    fn product(form: Form, a: &[usize], b: &[usize]) -> Product {
        Product::of(form, shape(a), shape(b)).unwrap()
    }

    #[test]
    fn batch_axes_broadcast_and_the_strides_of_broadcast_axes_are_zero() {
        let p = product(Form::NN, &[2, 1, 3, 4], &[5, 4, 6]);
        assert_eq!((p.m, p.k, p.n, p.batch), (3, 4, 6, [1, 1, 2, 5]));
        assert_eq!((p.a_strides, p.b_strides), ([0, 0, 12, 0], [0, 0, 0, 24]));
        assert_eq!(p.offsets(7), [12, 48]);
        let shape = Product::shape(Form::NN, shape(&[2, 1, 3, 4]), shape(&[5, 4, 6])).unwrap();
        assert_eq!(shape.to_vec(), [2, 5, 3, 6]);
    }

    #[test]
    fn a_batch_times_one_matrix_is_one_product_of_all_rows() {
        let p = product(Form::NT, &[2, 3, 4, 5], &[7, 5]);
        assert_eq!((p.m, p.k, p.n, p.count()), (24, 5, 7, 1));
        let p = product(Form::NN, &[1, 4, 5], &[3, 5, 6]);
        assert_eq!((p.m, p.count()), (4, 3));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused_with_both_shapes() {
        let refusal = |form, a: &[usize], b: &[usize]| {
            Product::of(form, shape(a), shape(b)).unwrap_err().to_string()
        };
        let text = refusal(Form::NN, &[2, 3, 4], &[3, 4, 5]);
        assert!(text.contains("[2, 3, 4]") && text.contains("[3, 4, 5]"), "{text}");
        assert!(text.contains("matmul.nn") && text.contains("broadcast"), "{text}");
        let text = refusal(Form::TN, &[3, 4], &[4, 5]);
        assert!(text.contains("inner") && text.contains("matmul.tn"), "{text}");
        let text = Product::into(Form::NN, shape(&[2, 3]), shape(&[3, 4]), shape(&[4, 2]));
        assert!(text.unwrap_err().to_string().contains("[4, 2]"));
    }

    #[test]
    fn a_transposed_product_into_a_matrix_sums_over_the_batch_axes() {
        let (a, b, out) = (shape(&[2, 3, 4]), shape(&[2, 3, 5]), shape(&[4, 5]));
        let p = Product::into(Form::TN, a, b, out).unwrap();
        assert_eq!((p.m, p.k, p.n, p.count()), (4, 6, 5, 1));
    }
}
