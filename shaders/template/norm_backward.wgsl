@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> grad_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_in: array<f32>;
// Each element's share of the weights' gradients.
@group(0) @binding(6) var<storage, read_write> shares: array<f32>;

fn upstream(i: u32) -> f32 {
    if params.hyper.weights == 1.0 {
        return grad_out[i] * weight[column(i)];
    }
    return grad_out[i];
}

fn upstream_at(row: Row, col: u32, line: Line, power: u32) -> f32 {
    if col >= row.cols {
        return 0.0;
    }
    let i = place(row, col);
    return upstream(i) * select((x[i] - line.mean) * line.scale, 1.0, power == 0u);
}

// The mean of the upstream gradient, times the normalized numbers if power is 1.
fn average_upstream(row: Row, line: Line, power: u32) -> f32 {
    let step = params.lanes;
    var sum = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * step) {
            run += (upstream_at(row, col, line, power) + upstream_at(row, col + step, line, power))
                + (upstream_at(row, col + 2u * step, line, power) + upstream_at(row, col + 3u * step, line, power));
        }
        sum += run;
    }
    return sum_row(sum, row) / f32(max(row.cols, 1u));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(group, groups);
    let row = own_line(index, lane);
    let line = line(row);
    var shift = 0.0;
    if CENTRED {
        shift = average_upstream(row, line, 0u);
    }
    let slope = average_upstream(row, line, 1u);
    let all = own_row(index, lane).cols;
    for (var col = row.first; col < all; col += params.lanes) {
        let i = place(row, col);
        var gradient = 0.0;
        var share = 0.0;
        if col < row.cols {
            let normal = (x[i] - line.mean) * line.scale;
            gradient = line.scale * (upstream(i) - shift - normal * slope);
            share = grad_out[i] * normal;
        }
        grad_in[i] = gradient;
        shares[i] = share;
    }
}
