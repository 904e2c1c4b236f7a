// A weight per column, for the functions to ask for.
@group(0) @binding(7) var<storage, read> class_weight: array<f32>;

var<private> column: u32;

fn column_weight() -> f32 {
    if params.class_weights == 0u {
        return 1.0;
    }
    return class_weight[column];
}

fn value_at(i: u32) -> f32 {
    column = i % params.cols;
    return value(prediction[i], target_values[i]);
}

fn gradient_at(i: u32) -> f32 {
    column = i % params.cols;
    return gradient(prediction[i], target_values[i]);
}
