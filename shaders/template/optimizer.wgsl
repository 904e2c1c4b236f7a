// One update of a whole arena segment; four parameters per invocation and turn.
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(4) var<storage, read_write> param: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if !updates() {
        return;
    }
    let entry = due();
    let sign = steps.entries[entry].sign;
    let coupled = steps.entries[entry].coupled;
    let shrink = steps.entries[entry].shrink;
    let scalars = steps.entries[entry].scalars;
    let first = flat_workgroup(group, groups) * 64u * params.turns + lane;
    for (var turn = 0u; turn < params.turns; turn++) {
        let i = first + 64u * turn;
        if 4u * i >= params.len {
            return;
        }
        let block = blocks[i / 16u];
        // What is frozen stays, and so does its state: it may be something else's to move.
        if block.multiplier == 0.0 {
            continue;
        }
        let before = param[i];
        let g = sign * grad[i] + coupled * block.decays * before;
        let p = before - shrink * block.decays * block.multiplier * before;
        // One column per element.
        let s = transpose(load_state(i));
        let x = formula(p.x, g.x, s[0], scalars, block, 4u * i);
        let y = formula(p.y, g.y, s[1], scalars, block, 4u * i + 1u);
        let z = formula(p.z, g.z, s[2], scalars, block, 4u * i + 2u);
        let w = formula(p.w, g.w, s[3], scalars, block, 4u * i + 3u);
        store_state(i, transpose(mat4x4(x.state, y.state, z.state, w.state)));
        param[i] = p - factor(block) * vec4(x.delta, y.delta, z.delta, w.delta);
    }
}
