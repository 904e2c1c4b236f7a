// One number for each row and column of the tensors: 16 lines of a matrix per workgroup, 16 invocations along each, or
// 256 elements of a vector, each a line of its own.
struct Params {
    strips: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read> grad: array<f32>;
@group(0) @binding(4) var<storage, read> param: array<f32>;
// For each strip of lines the tensor's first block, and the first line.
@group(0) @binding(5) var<storage, read> strips: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read> lines: array<f32>;
@group(0) @binding(7) var<storage, read_write> next: array<f32>;

struct Line {
    first_block: u32,
    line: u32,
    is_col: bool,
    len: u32,
}

// What an element adds; what lies beyond the end adds 0, the least of all terms.
fn term_along(own: Line, along: u32) -> f32 {
    if along >= own.len {
        return 0.0;
    }
    let block = blocks[own.first_block];
    let entry = due();
    let row = select(own.line, along, own.is_col);
    let col = select(along, own.line - block.rows, own.is_col);
    let i = 64u * own.first_block + row * max(block.cols, 1u) + col;
    let g = steps.entries[entry].sign * grad[i] + steps.entries[entry].coupled * block.decays * param[i];
    let by_row = lines[block.lines + row];
    let by_col = lines[block.lines + select(row, block.rows + col, block.cols > 0u)];
    return term(g, by_row, by_col, steps.entries[entry].scalars);
}

fn four_terms(own: Line, along: u32, width: u32) -> f32 {
    let near = join(term_along(own, along), term_along(own, along + width));
    return join(near, join(term_along(own, along + 2u * width), term_along(own, along + 3u * width)));
}

var<workgroup> totals: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let strip = flat_workgroup(group, groups);
    if strip >= params.strips {
        return;
    }
    let entry = due();
    let first_block = strips[strip].x;
    let block = blocks[first_block];
    let is_col = strips[strip].y >= block.rows;
    let width = select(1u, 16u, block.cols > 0u);
    // Neighbouring invocations take neighbouring elements.
    let line = strips[strip].y + select(lane / width, lane % width, is_col);
    let part = select(lane % width, lane / width, is_col);
    let cols = max(block.cols, 1u);
    let exists = line < select(block.rows, block.rows + block.cols, is_col);
    let len = select(cols, block.rows, is_col);
    var total = 0.0;
    if exists {
        let own = Line(first_block, line, is_col, len);
        for (var along = part; along < len; along += 8u * width) {
            total = join(total, join(four_terms(own, along, width), four_terms(own, along + 4u * width, width)));
        }
    }
    let slot = select(lane, lane % width * width + lane / width, is_col);
    totals[slot] = total;
    for (var stride = width / 2u; stride > 0u; stride /= 2u) {
        workgroupBarrier();
        if slot % width < stride {
            totals[slot] = join(totals[slot], totals[slot + stride]);
        }
    }
    if exists && slot % width == 0u && updates() {
        next[block.lines + line] = settle(lines[block.lines + line], totals[slot], f32(len), steps.entries[entry].scalars);
    }
}
