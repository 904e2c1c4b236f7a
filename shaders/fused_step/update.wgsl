// The second dispatch of a fused step: adds up the parts of the gradients and of the recorded values, and where nothing comes
// between, updates the parameters and ends the step. The host writes `gradient` and `record`.

// The sums of four values: their place and the distance of the parts in units of four.
fn sum_of(at: u32, stride: u32, count: u32) -> vec4<f32> {
    var total = vec4(0.0);
    for (var part = 0u; part < turns(count); part++) {
        total += partial[part * stride + at];
    }
    return total;
}

fn partial_at(at: u32) -> f32 {
    return partial[at / 4u][at % 4u];
}

fn sum_at(at: u32, stride: u32, count: u32) -> f32 {
    var total = 0.0;
    for (var part = 0u; part < turns(count); part++) {
        total += partial_at(part * stride + at);
    }
    return total;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    unknown = 65536u * groups.x;
    let index = flat_workgroup(group, groups);
    let i = index * 64u + lane;
    let counter = counter_of_step();
    let now = counter % steps.capacity;
    if index == LAST {
        if lane == 0u {
            record(counter, min(params.rows, steps.entries[now].rows));
        }
        return;
    }
    if 4u * i >= PARAMS {
        return;
    }
    let sum = gradient(i);
    grad[i] = sum;
    finish(i, sum, now);
}
