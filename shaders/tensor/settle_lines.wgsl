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

// Puts one in place; gives it if it is that of a row.
fn settled(block: Block, line: u32, count: u32) -> f32 {
    if line >= count {
        return 0.0;
    }
    let value = next[block.lines + line];
    lines[block.lines + line] = value;
    return select(0.0, value, line < block.rows);
}

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
    // What is frozen keeps its state.
    if block.multiplier == 0.0 {
        return;
    }
    let count = block.rows + block.cols;
    var sum = 0.0;
    for (var line = lane; line < count; line += 1024u) {
        sum += (settled(block, line, count) + settled(block, line + 256u, count))
            + (settled(block, line + 512u, count) + settled(block, line + 768u, count));
    }
    let total = sum_lanes(sum, lane, 256u);
    if lane == 0u && block.cols > 0u {
        lines[block.lines + count] = total / f32(block.rows);
    }
}
