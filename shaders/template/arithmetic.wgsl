const ADD = 0u;
const SUB = 1u;
const MUL = 2u;
const DIV = 3u;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn combine(a: f32, b: f32) -> f32 {
    switch OP {
        case ADD: {
            return a + b;
        }
        case SUB: {
            return a - b;
        }
        case MUL: {
            return a * b;
        }
        default: {
            return a / b;
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane, 64u);
    if i >= params.len {
        return;
    }
    let at = places(i);
    y[at.z] = combine(params.alpha * a[at.x], b[at.y]);
}
