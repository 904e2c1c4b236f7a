//! The layout of tensors in an arena, and the settings of their blocks.

use crate::error::{Error, Result};
use crate::ir::ParamInfo;
use crate::shape::{PAD, padded};
use crate::spec::optimizer::{Layout, sides};

/// The words of settings per block of 64 parameters.
pub(super) const BLOCK: usize = 12;

/// The number of vector elements, and of rows or columns of a matrix, that one workgroup processes.
const STRIP: [usize; 2] = [256, 16];

/// The location of a tensor in its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::gpu) struct Span {
    pub segment: usize,
    /// In elements, a multiple of [`PAD`].
    pub offset: usize,
    /// In elements, without padding.
    pub len: usize,
}

/// Places tensors consecutively and begins a new segment where the next one would not fit.
pub(super) fn layout(params: &[ParamInfo], most: usize) -> Result<(Vec<Span>, Vec<usize>)> {
    let mut segments: Vec<usize> = Vec::new();
    let mut spans = Vec::with_capacity(params.len());
    for param in params {
        let (len, size) = (param.shape.len(), padded(param.shape.len()));
        if size > most {
            let what = format!("parameter '{}' of shape {}", param.name, param.shape);
            return Err(Error::Limit {
                what,
                needed: size as u64 * 4,
                limit: most as u64 * 4,
                unit: "bytes",
            });
        }
        let open = segments.last().copied().filter(|used| used + size <= most);
        let offset = open.unwrap_or(0);
        if open.is_some() {
            segments.pop();
        }
        segments.push(offset + size);
        spans.push(Span { segment: segments.len() - 1, offset, len });
    }
    Ok((spans, segments))
}

/// The location of each tensor's factored state (one value per row and column), in the same segment as the tensor, and
/// the length of that state in each segment.
pub(super) fn line_layout(
    params: &[ParamInfo],
    spans: &[Span],
    segments: usize,
) -> Result<(Vec<Span>, Vec<usize>)> {
    let mut lens = vec![0; segments];
    let place = |(param, span): (&ParamInfo, &Span)| {
        let len = Layout::Lines.len(param.shape);
        let wrong = || Error::Internal(format!("there is no segment {}", span.segment));
        let used = lens.get_mut(span.segment).ok_or_else(wrong)?;
        let offset = *used;
        *used += padded(len);
        Ok(Span { segment: span.segment, offset, len })
    };
    let spans = params.iter().zip(spans).map(place).collect::<Result<_>>()?;
    Ok((spans, lens))
}

/// The settings of all blocks of a tensor.
pub(super) fn blocks_of(param: &ParamInfo, lines: usize) -> impl Iterator<Item = u32> {
    let bits = |number: f64| (number as f32).to_bits();
    let decays = if param.decays { 1.0 } else { 0.0 };
    let settings = [param.multiplier, decays, param.l1, param.l2].map(bits);
    // Transforms of gradients and parameters skip tensors with sides of 0.
    let sides = if param.has_gradient { sides(param.shape) } else { [0, 0] };
    let [rows, cols] = sides.map(|side| side as u32);
    let blocks = (padded(param.shape.len()) / PAD) as u32;
    (0..blocks).flat_map(move |number| {
        let places = [rows, cols, number, lines as u32];
        settings.into_iter().chain([0; 4]).chain(places)
    })
}

/// The strips of a tensor's rows, followed by those of its columns.
pub(super) fn strips_of(param: &ParamInfo, offset: usize) -> impl Iterator<Item = [u32; 2]> {
    let [rows, cols] = if param.shape.is_empty() { [0, 0] } else { sides(param.shape) };
    let step = if cols == 0 { STRIP[0] } else { STRIP[1] };
    let starts = (0..rows).step_by(step).chain((rows..rows + cols).step_by(step));
    starts.map(move |line| [(offset / PAD) as u32, line as u32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    fn tensor(len: usize) -> ParamInfo {
        let shape = Shape::new(&[len]).unwrap();
        let name = "w".into();
        ParamInfo {
            name,
            shape,
            l1: 0.0,
            l2: 0.0,
            multiplier: 1.0,
            decays: true,
            has_gradient: true,
        }
    }

    #[test]
    fn tensors_are_padded_and_a_full_segment_begins_the_next() {
        let (spans, segments) =
            layout(&[tensor(1), tensor(65), tensor(64), tensor(0)], 256).unwrap();
        assert_eq!(segments, [256, 64]);
        let places: Vec<_> =
            spans.iter().map(|span| (span.segment, span.offset, span.len)).collect();
        assert_eq!(places, [(0, 0, 1), (0, 64, 65), (0, 192, 64), (1, 0, 0)]);
    }

    #[test]
    fn a_tensor_over_the_binding_limit_is_refused_by_name() {
        let error = layout(&[tensor(257)], 256).unwrap_err().to_string();
        assert!(error.contains("[257]") && error.contains("1024"), "{error}");
    }
}
