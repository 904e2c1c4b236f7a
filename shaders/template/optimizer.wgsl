// One update of a whole arena segment; four parameters per invocation.
struct Params {
    len: u32,
}

struct States {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

// What an update formula gives: the amount to subtract, and the new state.
struct Updated {
    delta: f32,
    state: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
// Per block of 64 parameters: learning-rate multiplier, weight-decay mask, L1, L2.
@group(0) @binding(2) var<storage, read> blocks: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> param: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if 4u * i >= params.len {
        return;
    }
    let now = steps.counter % steps.capacity;
    let scalars = steps.entries[now].scalars;
    let block = blocks[i / 16u];
    let p = param[i];
    let g = steps.entries[now].sign * grad[i] + steps.entries[now].coupled * block.y * p;
    let s = load_state(i);
    let x = update(p.x, g.x, vec4(s.a.x, s.b.x, s.c.x, 0.0), scalars);
    let y = update(p.y, g.y, vec4(s.a.y, s.b.y, s.c.y, 0.0), scalars);
    let z = update(p.z, g.z, vec4(s.a.z, s.b.z, s.c.z, 0.0), scalars);
    let w = update(p.w, g.w, vec4(s.a.w, s.b.w, s.c.w, 0.0), scalars);
    store_state(i, States(
        vec4(x.state.x, y.state.x, z.state.x, w.state.x),
        vec4(x.state.y, y.state.y, z.state.y, w.state.y),
        vec4(x.state.z, y.state.z, z.state.z, w.state.z),
    ));
    let shrink = steps.entries[now].shrink * block.y * block.x;
    param[i] = (p - shrink * p) - block.x * vec4(x.delta, y.delta, z.delta, w.delta);
}
