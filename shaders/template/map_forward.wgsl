fn four_results(i: u32) -> vec4<f32> {
    let v = input(i);
    return vec4(forward(v.x), forward(v.y), forward(v.z), forward(v.w));
}
