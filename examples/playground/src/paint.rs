//! The colours of the page, and its pictures for a canvas without WebGPU.

use wgrad::ndarray::{ArrayD, ArrayView2, Ix2};

use crate::sets::REACH;

/// The colours of the classes; the first is also that of a curve and of positive weights, the second of negative ones.
pub const COLOURS: [[f32; 3]; 6] = [
    [0.18, 0.44, 0.87],
    [0.91, 0.44, 0.04],
    [0.12, 0.62, 0.35],
    [0.56, 0.27, 0.79],
    [0.85, 0.23, 0.30],
    [0.06, 0.61, 0.66],
];

/// The opacity of the field.
pub const FIELD_ALPHA: f32 = 0.45;

/// The cells along an axis: of a field, or of a curve.
pub fn cells(is_curve: bool) -> usize {
    if is_curve { 512 } else { 128 }
}

/// The inputs of the cells, row by row from the lowest y.
pub fn grid(is_curve: bool) -> Vec<f32> {
    let count = cells(is_curve);
    let place = |index: usize| ((index as f32 + 0.5) * 2.0 / count as f32 - 1.0) * REACH;
    match is_curve {
        true => (0..count).map(place).collect(),
        false => (0..count * count).flat_map(|at| [place(at % count), place(at / count)]).collect(),
    }
}

/// A pixel of premultiplied colour as a canvas takes it.
fn pixel([red, green, blue]: [f32; 3], alpha: f32) -> [u8; 4] {
    [red, green, blue, alpha].map(|value| (255.0 * value) as u8)
}

/// The field of classes, a pixel a cell, from the top.
pub fn field(scores: ArrayView2<'_, f32>, sharpness: f32) -> Vec<u8> {
    let count = cells(false);
    let cell = |at: usize| {
        let row = scores.row((count - 1 - at / count) * count + at % count);
        let top = row.fold(f32::MIN, |top, score| top.max(*score));
        let weights = row.mapv(|score| (sharpness * (score - top)).exp());
        let mut mixed = [0.0; 3];
        for (weight, colour) in weights.iter().zip(COLOURS) {
            (0..3).for_each(|part| mixed[part] += weight * colour[part] / weights.sum());
        }
        pixel(mixed, FIELD_ALPHA)
    };
    (0..count * count).flat_map(cell).collect()
}

/// The matrices side by side, in a picture of this size.
pub fn weights(tensors: &[(String, ArrayD<f32>)], (width, height): (usize, usize)) -> Vec<u8> {
    let matrices =
        tensors.iter().filter_map(|(_, tensor)| tensor.view().into_dimensionality::<Ix2>().ok());
    let matrices: Vec<_> = matrices.collect();
    let panels = panels(matrices.len(), width, height);
    let mut pixels = vec![0; 4 * width * height];
    for (matrix, [left, top, wide, high]) in matrices.iter().zip(panels) {
        for (x, y) in (0..wide).flat_map(|x| (0..high).map(move |y| (x, y))) {
            let weight = matrix[[y * matrix.nrows() / high, x * matrix.ncols() / wide]];
            let colour = COLOURS[usize::from(weight < 0.0)];
            let at = 4 * ((top + y) * width + left + x);
            pixels[at..at + 4].copy_from_slice(&pixel(colour, weight.abs() / (weight.abs() + 0.5)));
        }
    }
    pixels
}

/// Left, top, width and height of each of so many matrices in a picture.
pub fn panels(count: usize, width: usize, height: usize) -> Vec<[usize; 4]> {
    let gap = width / 60;
    let wide = (width + gap) / count.max(1);
    (0..count).map(|index| [index * wide, 0, wide.saturating_sub(gap), height]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgrad::ndarray::{Array2, array};

    #[test]
    fn a_field_of_sure_scores_has_the_colour_of_their_class() {
        let scores = Array2::from_shape_fn((128 * 128, 2), |(row, class)| {
            let is_lower = row < 64 * 128;
            if is_lower == (class == 0) { 50.0 } else { 0.0 }
        });
        let pixels = field(scores.view(), 1.0);
        assert_eq!(pixels[..4], pixel(COLOURS[1], FIELD_ALPHA));
        assert_eq!(pixels[pixels.len() - 4..], pixel(COLOURS[0], FIELD_ALPHA));
    }

    #[test]
    fn weights_are_coloured_by_sign_and_bias_vectors_left_out() {
        let tensors = [
            ("0.weight".to_string(), array![[0.5f32, -0.5]].into_dyn()),
            ("0.bias".to_string(), array![9.0f32].into_dyn()),
        ];
        let pixels = weights(&tensors, (2, 1));
        assert_eq!(pixels, [pixel(COLOURS[0], 0.5), pixel(COLOURS[1], 0.5)].concat());
    }

    #[test]
    fn the_grid_covers_the_picture_from_below() {
        let field = grid(false);
        assert_eq!(field.len(), 2 * 128 * 128);
        assert!(field[1] < -0.9 * REACH && field[field.len() - 1] > 0.9 * REACH);
        assert_eq!(grid(true).len(), 512);
    }
}
