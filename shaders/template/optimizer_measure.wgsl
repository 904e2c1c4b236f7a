// Each block's part of the tensor's two sums; four parameters per invocation, four blocks per workgroup.
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
        let entry = due();
        let scalars = steps.entries[entry].scalars;
        let block = blocks[i / 16u];
        let p = param[i];
        let g = steps.entries[entry].sign * grad[i] + steps.entries[entry].coupled * block.decays * p;
        let s = transpose(load_state(i));
        let x = terms_of(p.x, g.x, s[0], scalars, block, 4u * i);
        let y = terms_of(p.y, g.y, s[1], scalars, block, 4u * i + 1u);
        let z = terms_of(p.z, g.z, s[2], scalars, block, 4u * i + 2u);
        let w = terms_of(p.w, g.w, s[3], scalars, block, 4u * i + 3u);
        terms[lane] = (x + y) + (z + w);
    }
    for (var width = 8u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane % 16u < width {
            terms[lane] += terms[lane + width];
        }
    }
    if lane % 16u == 0u && 4u * i < params.len {
        blocks[i / 16u].partial_sums = terms[lane];
    }
}
