//! Iteration over the elements of several tensors by a common index, each tensor with its own strides.

use crate::shape::{MAX_AXES, Shape};

/// Returns the element at an index that is in range by construction; debug builds panic if it is not.
pub(crate) fn at<T: Copy + Default>(x: &[T], index: usize) -> T {
    debug_assert!(index < x.len(), "element {index} of {}", x.len());
    x.get(index).copied().unwrap_or_default()
}

/// Changes the element at an index that is in range by construction; debug builds panic if it is not.
pub(crate) fn change<T>(out: &mut [T], index: usize, change: impl FnOnce(&mut T)) {
    debug_assert!(index < out.len(), "element {index} of {}", out.len());
    if let Some(element) = out.get_mut(index) {
        change(element);
    }
}

/// Sets the element at an index that is in range by construction; debug builds panic if it is not.
pub(crate) fn put<T>(out: &mut [T], index: usize, value: T) {
    change(out, index, |element| *element = value);
}

/// The strided layout of a tensor over an index space: the element at an index is `start` plus, for each axis, the
/// index along it times its step. A step of 0 repeats an element along its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// The element at index 0.
    pub start: usize,
    /// The distance in elements from one index to the next, per axis.
    pub steps: [usize; MAX_AXES],
}

impl Strides {
    /// The strides of a contiguous row-major tensor.
    pub fn of(shape: Shape) -> Self {
        let mut steps = [0; MAX_AXES];
        let mut step = 1;
        for (axis, extent) in shape.extents().enumerate().rev() {
            put(&mut steps, axis, step);
            step *= extent;
        }
        Self { start: 0, steps }
    }

    /// The strides of a tensor of `shape` broadcast to `wanted` by NumPy's rules: its axes align with the last ones,
    /// and an axis of length 1 repeats. `None` if the shapes are not compatible.
    pub fn broadcast(shape: Shape, wanted: Shape) -> Option<Self> {
        let missing = wanted.rank().checked_sub(shape.rank())?;
        let own = Self::of(shape);
        let mut steps = [0; MAX_AXES];
        let places = steps.iter_mut().skip(missing).zip(own.steps);
        for ((extent, wanted), (place, step)) in
            shape.extents().zip(wanted.extents().skip(missing)).zip(places)
        {
            match extent {
                _ if extent == wanted => *place = step,
                1 => *place = 0,
                _ => return None,
            }
        }
        Some(Self { start: 0, steps })
    }

    /// The step along one axis.
    pub fn step(&self, axis: usize) -> usize {
        self.steps.get(axis).copied().unwrap_or(0)
    }
}

/// A strided iteration over `N` tensors at once, in row-major order of the common index. Neighbouring axes are merged
/// where the strides allow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk<const N: usize> {
    /// The extent of each axis, and the steps of the tensors along it.
    axes: Vec<(usize, [usize; N])>,
    starts: [usize; N],
}

impl<const N: usize> Walk<N> {
    /// Creates a walk over the indices of `shape`.
    pub fn new(shape: Shape, tensors: [Strides; N]) -> Self {
        let mut axes: Vec<(usize, [usize; N])> = Vec::new();
        for (axis, extent) in shape.extents().enumerate().filter(|(_, extent)| *extent != 1) {
            let steps = tensors.map(|tensor| tensor.step(axis));
            match axes.last_mut() {
                // One step of the outer axis spans the whole inner axis.
                Some((outer, over))
                    if over.iter().zip(steps).all(|(over, step)| *over == step * extent) =>
                {
                    *outer *= extent;
                    *over = steps;
                }
                _ => axes.push((extent, steps)),
            }
        }
        Self { axes, starts: tensors.map(|tensor| tensor.start) }
    }

    /// The number of indices.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|(extent, _)| extent).product()
    }

    /// Returns whether there is no index.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element of each tensor at the first index.
    pub fn starts(&self) -> [usize; N] {
        self.starts
    }

    /// The axes, outermost first: the extent and the steps of the tensors.
    pub fn axes(&self) -> &[(usize, [usize; N])] {
        &self.axes
    }

    /// Returns whether two walks can be shown to visit disjoint elements of one of the tensors: disjoint ranges of
    /// elements, or disjoint ranges of remainders modulo one of the steps.
    pub fn is_disjoint(&self, other: &Self, tensor: usize) -> bool {
        let steps = self.axes.iter().map(|(_, steps)| at(steps, tensor)).filter(|step| *step > 0);
        steps.chain([usize::MAX]).any(|step| {
            match (self.residues(tensor, step), other.residues(tensor, step)) {
                (Some(a), Some(b)) => a.end <= b.start || b.end <= a.start,
                _ => false,
            }
        })
    }

    /// The range of the remainders of a tensor's elements modulo a step; `None` if they wrap around.
    fn residues(&self, tensor: usize, step: usize) -> Option<std::ops::Range<usize>> {
        let start = at(&self.starts, tensor) % step;
        let axes = self.axes.iter().map(|(extent, steps)| (*extent, at(steps, tensor)));
        let across = axes.filter(|(_, own)| own % step != 0);
        let last = across.map(|(extent, own)| own * extent.saturating_sub(1)).sum::<usize>();
        (start + last < step).then_some(start..start + last + 1)
    }

    /// Calls `visit` with the element of each tensor at every index.
    pub fn each(&self, mut visit: impl FnMut([usize; N])) {
        each(&self.axes, self.starts, &mut visit);
    }
}

fn each<const N: usize>(
    axes: &[(usize, [usize; N])],
    mut at: [usize; N],
    visit: &mut impl FnMut([usize; N]),
) {
    let Some(((extent, steps), inner)) = axes.split_first() else { return visit(at) };
    for _ in 0..*extent {
        if inner.is_empty() {
            visit(at);
        } else {
            each(inner, at, visit);
        }
        at.iter_mut().zip(steps).for_each(|(at, step)| *at += step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(extents: &[usize]) -> Shape {
        Shape::new(extents).unwrap()
    }

    #[test]
    fn axes_that_lie_one_after_the_other_are_one() {
        let all = shape(&[2, 3, 4]);
        let walk = Walk::new(all, [Strides::of(all); 2]);
        assert_eq!(walk.axes(), [(24, [1, 1])]);
        let row = Strides::broadcast(shape(&[4]), all).unwrap();
        assert_eq!(Walk::new(all, [Strides::of(all), row]).axes(), [(6, [4, 0]), (4, [1, 1])]);
    }

    #[test]
    fn a_walk_visits_the_broadcast_elements_in_row_major_order() {
        let wanted = shape(&[2, 3]);
        let column = Strides::broadcast(shape(&[2, 1]), wanted).unwrap();
        let mut seen = Vec::new();
        Walk::new(wanted, [column, Strides::of(wanted)]).each(|at| seen.push(at));
        assert_eq!(seen, [[0, 0], [0, 1], [0, 2], [1, 3], [1, 4], [1, 5]]);
        assert_eq!(Strides::broadcast(shape(&[2]), wanted), None);
        assert_eq!(Strides::broadcast(shape(&[1, 2, 3]), wanted), None);
    }

    #[test]
    fn walks_that_are_apart_share_no_element() {
        let all = shape(&[4, 6, 5]);
        let own = Strides::of(all);
        let part = |from: [usize; 3], extents: [usize; 3]| {
            let start = from.iter().zip(own.steps).map(|(from, step)| from * step).sum();
            Walk::new(shape(&extents), [Strides { start, ..own }])
        };
        let mut parts = Vec::new();
        for axis in 0..3 {
            let whole = [4, 6, 5];
            for from in 0..whole[axis] {
                for extent in 1..=whole[axis] - from {
                    let (mut begin, mut extents) = ([0; 3], whole);
                    (begin[axis], extents[axis]) = (from, extent);
                    parts.push((axis, part(begin, extents)));
                }
            }
        }
        for (axis, a) in &parts {
            for (other, b) in &parts {
                let mut seen = [0; 120];
                [a, b].iter().for_each(|walk| walk.each(|[at]| seen[at] += 1));
                let apart = !seen.contains(&2);
                assert!(apart || !a.is_disjoint(b, 0), "{a:?} and {b:?}");
                assert!(axis != other || a.is_disjoint(b, 0) == apart, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn no_axis_is_one_index_and_an_empty_axis_none() {
        let count = |extents: &[usize]| {
            let shape = shape(extents);
            let (walk, mut count) = (Walk::new(shape, [Strides::of(shape)]), 0);
            walk.each(|_| count += 1);
            assert_eq!(count, walk.len());
            count
        };
        assert_eq!([count(&[]), count(&[1, 1]), count(&[3, 0, 2]), count(&[0])], [1, 1, 0, 0]);
    }
}
