// Scales the gradients by min(1, max / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_.
struct Params {
    len: u32,
    max_norm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    let before = sqrt(squares[0]);
    if i == 0u {
        norm[0] = before;
    }
    if 4u * i < params.len {
        let scale = params.max_norm / (before + 1e-6);
        // A norm that is NaN changes nothing: what made it so stays as it is.
        grad[i] *= select(min(1.0, scale), 1.0, is_nan(scale));
    }
}
