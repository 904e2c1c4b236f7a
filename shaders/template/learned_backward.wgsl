@group(0) @binding(3) var<storage, read> grad_out: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_in: array<f32>;
// What each element adds to the gradient of its channel's numbers, one row per channels elements.
@group(0) @binding(5) var<storage, read_write> terms: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane, 64u);
    if i < params.len {
        let channel = i % params.channels;
        let p = weights(channel);
        let g = grad_out[i];
        grad_in[i] = g * derivative(x[i], p);
        let own = g * sensitivity(x[i], p);
        let first = (i - channel) * params.count + channel;
        for (var k = 0u; k < params.count; k++) {
            terms[first + k * params.channels] = own[k];
        }
    }
}
