fn value_at(i: u32) -> f32 {
    return value(prediction[i], target_values[i]);
}

fn gradient_at(i: u32) -> f32 {
    return gradient(prediction[i], target_values[i]);
}
