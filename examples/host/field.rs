//! The decision field of a network with two inputs and three classes.

use wgrad::embed::Region;
use wgrad::wgpu;

use super::paint::Painter;

/// How many cells the field has along each axis, and how far it reaches.
const CELLS: usize = 128;
const REACH: f32 = 1.15;

/// The colour of a class.
const ARM: &str = "
fn arm(label: u32) -> vec3<f32> {
    return array(vec3(0.91, 0.33, 0.24), vec3(0.2, 0.65, 0.42), vec3(0.25, 0.42, 0.85))[label];
}
";

/// The field from the scores of each cell; below it a bar with a column per hidden unit, from the first layer's weights.
const PAINT: &str = "
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;

@fragment
fn colour(corner: Corner) -> @location(0) vec4<f32> {
    if corner.place.y < 0.08 {
        let unit = min(u32(corner.place.x * 64.0), 63u);
        let value = clamp(0.5 + weight[2u * unit + u32(corner.place.y < 0.04)] / 4.0, 0.0, 1.0);
        return vec4(value, 0.5, 1.0 - value, 1.0);
    }
    let place = (corner.place - vec2(0.0, 0.08)) / vec2(1.0, 0.92);
    let cell = min(vec2<u32>(place * 128.0), vec2(127u));
    let first = 3u * (cell.y * 128u + cell.x);
    let score = vec3(scores[first], scores[first + 1u], scores[first + 2u]);
    let weights = exp(score - max(score.x, max(score.y, score.z)));
    let mixed = (weights.x * arm(0u) + weights.y * arm(1u) + weights.z * arm(2u)) / dot(weights, vec3(1.0));
    return vec4(mix(vec3(1.0), mixed, 0.55), 1.0);
}";

/// A disc per point, in the colour of its label, within a triangle.
const MARKS: &str = "
@group(0) @binding(0) var<storage, read> points: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;

struct Mark {
    @builtin(position) position: vec4<f32>,
    @location(0) offset: vec2<f32>,
    @location(1) @interpolate(flat) label: u32,
}

@vertex
fn corner(@builtin(vertex_index) vertex: u32, @builtin(instance_index) i: u32) -> Mark {
    let angle = f32(vertex) * 2.0944;
    let offset = 2.0 * vec2(cos(angle), sin(angle));
    let here = (vec2(points[2u * i], points[2u * i + 1u]) + 0.014 * offset) / 1.15;
    let position = vec2(here.x, (here.y + 1.0) * 0.92 - 0.84);
    return Mark(vec4(position, 0.0, 1.0), offset, labels[i]);
}

@fragment
fn colour(mark: Mark) -> @location(0) vec4<f32> {
    if length(mark.offset) > 1.0 {
        discard;
    }
    return vec4(arm(mark.label), 1.0);
}";

/// Draws the field of a network from its scores per cell and its first weights, and the points over it.
pub fn painter(
    device: &wgpu::Device,
    format: wgpu::TextureFormat,
    [scores, weight]: [&Region; 2],
    [points, labels]: [&Region; 2],
) -> Painter {
    let count = (labels.bytes / 4) as u32;
    Painter::new(device, format, &format!("{ARM}{PAINT}"), &[scores, weight]).with_marks(
        device,
        format,
        &format!("{ARM}{MARKS}"),
        &[points, labels],
        count,
    )
}

/// How many cells there are.
pub const COUNT: usize = CELLS * CELLS;

/// Where they are: two numbers each.
pub fn cells() -> Vec<f32> {
    let place = |index: usize| (index as f32 + 0.5) * 2.0 * REACH / CELLS as f32 - REACH;
    (0..COUNT).flat_map(|at| [place(at % CELLS), place(at / CELLS)]).collect()
}
