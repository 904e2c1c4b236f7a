// A second differentiable input; gradient gives the derivatives by both. A NaN is one in the results, whatever the
// functions see of it.
@group(0) @binding(7) var<storage, read> second: array<f32>;

fn value_at(i: u32) -> f32 {
    let a = prediction[i];
    let b = second[i];
    let t = target_values[i];
    return keep_nan(a, keep_nan(b, keep_nan(t, value(a, b, t))));
}

fn gradient_at(i: u32) -> f32 {
    let a = prediction[i];
    let b = second[i];
    let t = target_values[i];
    return keep_nan(a, keep_nan(b, keep_nan(t, gradient(a, b, t)[params.input])));
}
