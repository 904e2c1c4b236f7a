alias Sums = mat2x4<f32>;

// The sums, the first of them NaN if what was summed holds one, whatever the op sees of it; and that first one.
fn marked(sums: Sums, taken: f32) -> Sums {
    return Sums(vec4(keep_nan(taken, sums[0].x), sums[0].yzw), sums[1]);
}

fn mark(sums: Sums) -> f32 {
    return sums[0].x;
}
