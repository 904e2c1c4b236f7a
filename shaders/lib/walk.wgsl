// The same index in up to three tensors, each with steps of its own along the axes. Steps wrap around as u32 does.
struct Params {
    len: u32,
    rank: u32,
    alpha: f32,
    unused: u32,
    starts: vec4<u32>,
    // Outermost first: the steps of the three tensors, and the extent.
    axes: array<vec4<u32>, 6>,
}

@group(0) @binding(0) var<uniform> params: Params;

// Where element i lies in each of them.
fn places(i: u32) -> vec3<u32> {
    var rest = i;
    var at = params.starts.xyz;
    for (var axis = params.rank; axis > 1u; axis--) {
        let now = params.axes[axis - 1u];
        at += rest % now.w * now.xyz;
        rest = rest / now.w;
    }
    return at + rest * params.axes[0].xyz;
}
