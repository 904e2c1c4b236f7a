fn counter_of_step() -> u32 {
    return steps.counter;
}

fn finish(i: u32, gradient: vec4<f32>, now: u32) {}
