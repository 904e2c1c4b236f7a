// A second differentiable input; gradient gives the derivatives by both.
@group(0) @binding(7) var<storage, read> second: array<f32>;

fn value_at(i: u32) -> f32 {
    return value(prediction[i], second[i], target_values[i]);
}

fn gradient_at(i: u32) -> f32 {
    return gradient(prediction[i], second[i], target_values[i])[params.input];
}
