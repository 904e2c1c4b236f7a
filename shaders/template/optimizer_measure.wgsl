// Each block's share of the tensor's two sums; four parameters per invocation, four blocks per workgroup.
@group(0) @binding(2) var<storage, read_write> blocks: array<Block>;
@group(0) @binding(4) var<storage, read> param: array<vec4<f32>>;

var<workgroup> terms: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if 4u * i < params.len {
        let now = steps.counter % steps.capacity;
        let scalars = steps.entries[now].scalars;
        let block = blocks[i / 16u];
        let p = param[i];
        let g = steps.entries[now].sign * grad[i] + steps.entries[now].coupled * block.decays * p;
        let s = transpose(load_state(i));
        terms[lane] = (measure(p.x, g.x, s[0], scalars, block.decays) + measure(p.y, g.y, s[1], scalars, block.decays))
            + (measure(p.z, g.z, s[2], scalars, block.decays) + measure(p.w, g.w, s[3], scalars, block.decays));
    }
    for (var width = 8u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane % 16u < width {
            terms[lane] += terms[lane + width];
        }
    }
    if lane % 16u == 0u && 4u * i < params.len {
        blocks[i / 16u].share = terms[lane];
    }
}
