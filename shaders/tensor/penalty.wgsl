// The L1 and L2 penalties of an arena segment: a partial sum per 1024 parameters, and their share of the gradient.
struct Params {
    len: u32,
    // Where in partial this segment's first sum goes.
    offset: u32,
    // 1: add to the gradient.
    backward: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> blocks: array<Block>;
@group(0) @binding(2) var<storage, read> param: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = flat_workgroup(group, groups);
    var parts = vec4(0.0);
    for (var part = 0u; part < 4u; part++) {
        let i = block * 1024u + part * 256u + lane;
        if i >= params.len {
            break;
        }
        let settings = blocks[i / 64u];
        let p = param[i];
        parts[part] = settings.l1 * abs(p) + settings.l2 * p * p;
        if params.backward == 1u {
            grad[i] += settings.l1 * sign_of(p) + 2.0 * settings.l2 * p;
        }
    }
    let total = sum_lanes((parts.x + parts.y) + (parts.z + parts.w), lane, 256u);
    if lane == 0u && block * 1024u < params.len {
        partial[params.offset + block] = total;
    }
}
