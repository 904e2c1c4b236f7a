// There are three inputs and no target.
@group(0) @binding(3) var<storage, read> second: array<f32>;
@group(0) @binding(7) var<storage, read> third: array<f32>;

fn vector(input: u32, row: u32, col: u32) -> f32 {
    let i = at(row, col);
    switch input {
        case 0u: {
            return prediction[i];
        }
        case 1u: {
            return second[i];
        }
        default: {
            return third[i];
        }
    }
}

// A NaN if the loss takes one at a column.
fn taken(x: f32, row: u32, col: u32) -> f32 {
    return keep_nan(x, keep_nan(vector(1u, row, col), vector(2u, row, col)));
}

// Which weight each of the distances a-p, a-n and p-n has in the gradient, and the value. Equal distances share the
// gradient of their minimum.
fn triplet(distances: vec3<f32>, margin: f32, swap: bool) -> vec4<f32> {
    let an = distances.y;
    let pn = distances.z;
    let swapped = select(select(0.0, 0.5, an == pn), 1.0, pn < an) * select(0.0, 1.0, swap);
    let value = distances.x - select(an, min(an, pn), swap) + margin;
    let on = select(0.0, 1.0, value > 0.0);
    return vec4(on, -on * (1.0 - swapped), -on * swapped, max(value, 0.0));
}

fn open_row(row: u32) {
}
