var<private> column: u32;

// The weight of the element's column, for the functions to ask for.
fn column_weight() -> f32 {
    return class_weight_at(column);
}

// A NaN is one in the results, whatever the functions see of it.
fn value_at(i: u32) -> f32 {
    column = i % params.cols;
    let y = prediction[i];
    let t = target_values[i];
    return keep_nan(y, keep_nan(t, value(y, t)));
}

fn gradient_at(i: u32) -> f32 {
    column = i % params.cols;
    let y = prediction[i];
    let t = target_values[i];
    return keep_nan(y, keep_nan(t, gradient(y, t)));
}
