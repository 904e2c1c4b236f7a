var<private> column: u32;

fn value_at(i: u32) -> f32 {
    column = i % params.cols;
    return value(prediction[i], target_values[i]);
}

fn gradient_at(i: u32) -> f32 {
    column = i % params.cols;
    return gradient(prediction[i], target_values[i]);
}
