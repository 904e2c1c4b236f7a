// The numbers along the middle one of three axes, in blocks: a group of lanes shares a block, one lane if it is short,
// the whole workgroup if it is long. Run again over its own results until one block is left. Each turn of a loop takes
// four elements: llvmpipe ends an invocation's loops after 65 535 turns in all.
struct Params {
    // Blocks of all rows.
    items: u32,
    cols: u32,
    inner: u32,
    // A power of two up to 256.
    lanes: u32,
    // Blocks of a row, and the length of one.
    blocks: u32,
    size: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

struct Block {
    start: u32,
    first: u32,
    // 0 for lanes beyond the last block: they still meet the others at barriers.
    cols: u32,
    lane: u32,
}

fn value(block: Block, col: u32) -> f32 {
    return x[block.start + col * params.inner];
}

// Bits that are ordered as the numbers are, -0 and 0 being equal and NaN above all: comparisons of numbers may take
// subnormals for 0 and know nothing of NaN.
fn order(x: f32) -> u32 {
    let bits = select(bitcast<u32>(x), 0u, is_zero(x));
    let key = bits ^ select(SIGN_BIT, 0xffffffffu, bits >= SIGN_BIT);
    return select(key, 0xffffffffu, is_nan(x));
}

fn from_order(key: u32) -> f32 {
    return from_bits(key ^ select(0xffffffffu, SIGN_BIT, key >= SIGN_BIT));
}

fn key_at(block: Block, col: u32) -> u32 {
    if col >= block.cols {
        return 0u;
    }
    return order(weigh(value(block, col)));
}

fn top_key(block: Block) -> u32 {
    var top = 0u;
    let step = params.lanes;
    for (var col = block.first; col < block.cols; col += 4u * step) {
        let near = max(key_at(block, col), key_at(block, col + step));
        top = max(top, max(near, max(key_at(block, col + 2u * step), key_at(block, col + 3u * step))));
    }
    return max_keys(top, block.lane);
}

// The later a place is the smaller is its key, so that the first of equals has the largest.
fn place_at(block: Block, col: u32, top: u32) -> u32 {
    return select(0u, 0xffffffffu - col, col < block.cols && key_at(block, col) == top);
}

fn first_place(block: Block, top: u32) -> u32 {
    var best = 0u;
    let step = params.lanes;
    for (var col = block.first; col < block.cols; col += 4u * step) {
        let near = max(place_at(block, col, top), place_at(block, col + step, top));
        let far = max(place_at(block, col + 2u * step, top), place_at(block, col + 3u * step, top));
        best = max(best, max(near, far));
    }
    return 0xffffffffu - max_keys(best, block.lane);
}

fn term_at(block: Block, col: u32, top: f32) -> f32 {
    if col >= block.cols {
        return 0.0;
    }
    return term(value(block, col), top);
}

// By runs of 32 turns, which are then added up: a sum's error grows with the number of its additions.
fn total_of(block: Block, top: f32) -> f32 {
    let step = params.lanes;
    var total = 0.0;
    var col = block.first;
    while col < block.cols {
        let end = min(col + 128u * step, block.cols);
        var run = 0.0;
        for (; col < end; col += 4u * step) {
            run += (term_at(block, col, top) + term_at(block, col + step, top))
                + (term_at(block, col + 2u * step, top) + term_at(block, col + 3u * step, top));
        }
        total += run;
    }
    return sum_group(total, block.lane);
}

fn own_block(index: u32, lane: u32) -> Block {
    let inside = index % params.inner;
    let rest = index / params.inner;
    let row = rest / params.blocks * params.cols * params.inner + inside;
    let begin = rest % params.blocks * params.size;
    let cols = min(params.size, params.cols - min(begin, params.cols));
    return Block(row + begin * params.inner, lane % params.lanes, select(0u, cols, index < params.items), lane);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(group, groups) * (256u / params.lanes) + lane / params.lanes;
    let block = own_block(index, lane);
    var key = 0u;
    if HAS_TOP {
        key = top_key(block);
    }
    // No number has the key 0.
    let top = select(from_order(key), -infinity(), key == 0u);
    var total = 0.0;
    if HAS_TOTAL {
        total = total_of(block, top);
    }
    var result = bitcast<u32>(finish(total, top) * params.scale);
    if HAS_PLACE {
        result = first_place(block, key);
    }
    if block.first == 0u && index < params.items {
        y[index] = result;
    }
}
