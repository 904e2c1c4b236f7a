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
    let own = settings(due());
    let first = flat_workgroup(group, groups) * 64u * params.turns + lane;
    // Also bounded by a length: Mesa's lavapipe compiles a kernel anew for each dispatch if a loop ends at a uniform number.
    let turns = min(params.turns, arrayLength(&param));
    for (var turn = 0u; turn < turns; turn++) {
        let i = first + 64u * turn;
        if 4u * i >= params.len {
            return;
        }
        update_four(i, grad[i], own);
    }
}
