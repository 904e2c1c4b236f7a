alias Sums = vec4<f32>;

// The sums, the first of them NaN if what was summed holds one, whatever the op sees of it; and that first one.
fn marked(sums: Sums, taken: f32) -> Sums {
    return Sums(keep_nan(taken, sums.x), sums.yzw);
}

fn mark(sums: Sums) -> f32 {
    return sums.x;
}
