// Counts the targets that are no class, among the rows that take part, and finds the first. One workgroup.
struct Params {
    rows: u32,
    cols: u32,
    ignored: u32,
    // Indices of a row.
    per_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> target_class: array<u32>;
@group(0) @binding(3) var<storage, read_write> count: array<f32>;
@group(0) @binding(4) var<storage, read_write> first_row: array<f32>;

var<workgroup> counts: array<u32, 256>;
var<workgroup> firsts: array<u32, 256>;

// 0xffffffff unless the target of a row is a fault.
fn fault_at(row: u32, rows: u32) -> u32 {
    if row >= rows || target_class[row] < params.cols || target_class[row] == params.ignored {
        return 0xffffffffu;
    }
    return row;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    let rows = min(params.rows, steps.entries[now()].rows) * params.per_row;
    var found = 0u;
    var first = 0xffffffffu;
    for (var row = lane; row < rows; row += 1024u) {
        let faults = vec4(
            fault_at(row, rows),
            fault_at(row + 256u, rows),
            fault_at(row + 512u, rows),
            fault_at(row + 768u, rows)
        );
        let is_fault = select(vec4(0u), vec4(1u), faults != vec4(0xffffffffu));
        found += (is_fault.x + is_fault.y) + (is_fault.z + is_fault.w);
        first = min(first, min(min(faults.x, faults.y), min(faults.z, faults.w)));
    }
    counts[lane] = found;
    firsts[lane] = first;
    workgroupBarrier();
    for (var stride = 128u; stride > 0u; stride = stride / 2u) {
        if lane < stride {
            counts[lane] += counts[lane + stride];
            firsts[lane] = min(firsts[lane], firsts[lane + stride]);
        }
        workgroupBarrier();
    }
    if lane == 0u {
        count[0] = f32(counts[0]);
        first_row[0] = select(f32(firsts[0]), 0.0, counts[0] == 0u);
    }
}
