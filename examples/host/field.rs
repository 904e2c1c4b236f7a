//! The decision field of a network with two inputs and three classes.

/// How many cells the field has along each axis, and how far it reaches.
const CELLS: usize = 128;
const REACH: f32 = 1.15;

/// The field from the scores of each cell; below it a bar with a column per hidden unit, from the first layer's weights.
pub const PAINT: &str = "
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> points: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;

fn arm(label: u32) -> vec3<f32> {
    return array(vec3(0.91, 0.33, 0.24), vec3(0.2, 0.65, 0.42), vec3(0.25, 0.42, 0.85))[label];
}

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
    let share = exp(score - max(score.x, max(score.y, score.z)));
    let mixed = (share.x * arm(0u) + share.y * arm(1u) + share.z * arm(2u)) / (share.x + share.y + share.z);
    var result = mix(vec3(1.0), mixed, 0.55);
    let here = (2.0 * place - 1.0) * 1.15;
    for (var i = 0u; i < arrayLength(&labels); i++) {
        if distance(here, vec2(points[2u * i], points[2u * i + 1u])) < 0.014 {
            result = arm(labels[i]);
        }
    }
    return vec4(result, 1.0);
}";

/// How many cells there are.
pub const COUNT: usize = CELLS * CELLS;

/// Where they are: two numbers each.
pub fn cells() -> Vec<f32> {
    let place = |index: usize| (index as f32 + 0.5) * 2.0 * REACH / CELLS as f32 - REACH;
    (0..COUNT).flat_map(|at| [place(at % CELLS), place(at / CELLS)]).collect()
}
