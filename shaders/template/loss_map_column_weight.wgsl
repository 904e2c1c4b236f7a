// A weight per column, for the functions to ask for.
@group(0) @binding(7) var<storage, read> class_weight: array<f32>;

fn column_weight() -> f32 {
    return class_weight[column];
}
