// The pairs of a class that is listed and one that is not, as far as they are within the margin of 1: for each class the sum
// of the excesses, of those that are not listed, and what the pairs add to its slope.
struct Params {
    len: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> target_list: array<u32>;
@group(0) @binding(3) var<storage, read> times: array<u32>;
@group(0) @binding(4) var<storage, read_write> pairs: array<vec2<f32>>;

// Of one that is not listed, with those in the list.
fn of_wrong(i: u32, start: u32) -> vec2<f32> {
    var sums = vec2(0.0);
    let end = start + params.cols;
    for (var place = start; place < end && target_list[place] < params.cols; place++) {
        let excess = 1.0 - prediction[start + target_list[place]] + prediction[i];
        sums += vec2(max(0.0, excess), select(0.0, 1.0, excess > 0.0));
    }
    return sums;
}

// Of one in the list, with those that are not.
fn of_right(i: u32, start: u32) -> vec2<f32> {
    var within = 0.0;
    for (var wrong = start; wrong < start + params.cols; wrong++) {
        let excess = 1.0 - prediction[i] + prediction[wrong];
        within += select(0.0, 1.0, excess > 0.0 && times[wrong] == 0u);
    }
    return vec2(0.0, -f32(times[i]) * within);
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
    let start = i - i % params.cols;
    if times[i] == 0u {
        pairs[i] = of_wrong(i, start);
    } else {
        pairs[i] = of_right(i, start);
    }
}
