// Puts the new numbers of the rows and columns in place, and the mean of a matrix's rows after them; one workgroup per
// tensor.
struct Params {
    tensors: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read> tensors: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> next: array<f32>;
@group(0) @binding(5) var<storage, read_write> lines: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = flat_workgroup(group, groups);
    if tensor >= params.tensors || !updates() {
        return;
    }
    // A tensor without elements has no block.
    if tensors[tensor].y == 0u {
        return;
    }
    let block = blocks[tensors[tensor].x];
    let count = block.rows + block.cols;
    var sum = 0.0;
    var line = lane;
    while line < count {
        let end = min(line + 256u * 1024u, count);
        for (; line < end; line += 256u) {
            let value = next[block.lines + line];
            lines[block.lines + line] = value;
            sum += select(0.0, value, line < block.rows);
        }
    }
    let total = sum_lanes(sum, lane, 256u);
    if lane == 0u && block.cols > 0u {
        lines[block.lines + count] = total / f32(block.rows);
    }
}
