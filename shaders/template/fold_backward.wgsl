@group(0) @binding(2) var<storage, read> grad_out: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_in: array<f32>;

fn upstream(at: Cell, col: u32) -> f32 {
    return grad_out[at.out_start + col * params.inner];
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane, 64u);
    if i < params.len {
        grad_in[i] = backward(cell(i, params.cols));
    }
}
