// ctc: -log of the summed probability of every path that gives the target, per sequence; the mean divides each by its
// target's length
// Connectionist temporal classification, one workgroup per sample. The states of a sample are its target's classes with
// blanks before, between and after. Forward and backward variables are logarithms, kept near 0: of the forward ones the
// largest of each time step is taken out, of the backward ones that of their sums with the forward ones, so that the
// likeliest state has the sum 0 and no state that counts underflows.
struct Params {
    // The extents of the log-probabilities: time, samples, classes.
    time: u32,
    samples: u32,
    classes: u32,
    // The longest target there is room for.
    places: u32,
    // 1: divide a sample's term by the length of its target.
    per_label: u32,
    // The gradient is that of a mean over the samples.
    mean: u32,
    // What to do: LINK, FORWARD or BACKWARD.
    phase: u32,
    upstream: f32,
    // The time steps of this dispatch.
    begin: u32,
    end: u32,
    @align(16) hyper: Hyper,
}

struct Hyper {
    blank: f32,
    zero_infinity: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(3) var<storage, read> target_list: array<u32>;
// How many time steps and how many classes each sample has.
@group(0) @binding(4) var<storage, read> lengths: array<vec2<u32>>;
// Per sample: forward variables of each time step, backward variables of two, for each place of the target the next one
// of the same class, and the sum of what was taken out of the forward variables, in the end the logarithm of the likelihood.
@group(0) @binding(5) var<storage, read_write> work: array<u32>;
@group(0) @binding(6) var<storage, read_write> values: array<f32>;
@group(0) @binding(7) var<storage, read_write> grad: array<f32>;

// The logarithm of an impossible event, and what only such ones lie below.
const NEVER = -1e30;
const BARELY = -1e29;
const WIDTH: u32 = 64u;
const LAST: u32 = 0x7fffffffu;
const LATER: u32 = 0x80000000u;
const LINK: u32 = 0u;
const FORWARD: u32 = 1u;

// What barriers depend on, the same for the whole workgroup by construction: the first time step and the one after the last.
var<workgroup> shared_span: vec2<u32>;

var<private> sample: u32;
var<private> label_count: u32;
var<private> state_count: u32;

fn stride() -> u32 {
    return 2u * params.places + 1u;
}

fn base() -> u32 {
    return sample * ((params.time + 2u) * stride() + params.places + 1u);
}

fn links() -> u32 {
    return base() + (params.time + 2u) * stride();
}

fn sum_place() -> u32 {
    return links() + params.places;
}

fn log_sum(a: f32, b: f32, c: f32) -> f32 {
    let top = max(a, max(b, c));
    if top < BARELY {
        return NEVER;
    }
    return top + safe_log(safe_exp(a - top) + safe_exp(b - top) + safe_exp(c - top));
}

fn label(place: u32) -> u32 {
    return target_list[sample * params.places + place];
}

fn class_of(state: u32) -> u32 {
    if state % 2u == 0u {
        return u32(params.hyper.blank);
    }
    return label(state / 2u);
}

fn emission(t: u32, state: u32) -> f32 {
    let index = class_of(state);
    if index >= params.classes {
        return NEVER;
    }
    return max(prediction[(t * params.samples + sample) * params.classes + index], NEVER);
}

// Whether a path can go from a state to the one after the next.
fn skips(state: u32) -> bool {
    return state % 2u == 1u && state + 2u < state_count && class_of(state) != class_of(state + 2u);
}

fn held(row: u32, state: u32) -> f32 {
    return from_bits(work[base() + row * stride() + state]);
}

fn hold(row: u32, state: u32, x: f32) {
    work[base() + row * stride() + state] = bitcast<u32>(max(x, NEVER));
}

// Takes the largest of a row out and gives it.
fn settle(row: u32, top: f32, lane: u32) -> f32 {
    let largest = max_lanes(top, lane, WIDTH);
    let shift = select(largest, 0.0, largest < BARELY);
    for (var state = lane; state < state_count; state += WIDTH) {
        hold(row, state, held(row, state) - shift);
    }
    storageBarrier();
    workgroupBarrier();
    return select(largest, NEVER, largest < BARELY);
}

// The forward variables of some time steps.
fn forward(span: vec2<u32>, lane: u32) {
    var total = select(from_bits(work[sum_place()]), 0.0, params.begin == 0u);
    for (var t = span.x; t < span.y; t++) {
        var top = NEVER;
        for (var state = lane; state < state_count; state += WIDTH) {
            var reached = select(NEVER, 0.0, state < 2u);
            if t > 0u {
                let before = held(t - 1u, state);
                var one = NEVER;
                if state > 0u {
                    one = held(t - 1u, state - 1u);
                }
                var two = NEVER;
                if state > 1u && skips(state - 2u) {
                    two = held(t - 1u, state - 2u);
                }
                reached = log_sum(before, one, two);
            }
            let x = reached + emission(t, state);
            hold(t, state, x);
            top = max(top, x);
        }
        // A NaN among the log-probabilities makes the sum infinite, whether a path meets it or not.
        for (var col = lane; col < params.classes; col += WIDTH) {
            top = select(top, infinity(), is_nan(prediction[(t * params.samples + sample) * params.classes + col]));
        }
        total += settle(t, top, lane);
    }
    if lane == 0u {
        work[sum_place()] = bitcast<u32>(total);
    }
}

// The logarithm of the target's probability, after the last time step.
fn log_likelihood(time: u32) -> f32 {
    if time == 0u {
        return select(NEVER, 0.0, label_count == 0u);
    }
    var last = NEVER;
    if state_count > 1u {
        last = held(time - 1u, state_count - 2u);
    }
    let sum = from_bits(work[sum_place()]) + log_sum(held(time - 1u, state_count - 1u), last, NEVER);
    return keep_nan(sum, max(sum, NEVER));
}

// For a place of the target the next one of the same class; LATER marks those with an earlier one.
fn link(place: u32) {
    var next = LAST;
    var mark = select(0u, LATER, label(place) == u32(params.hyper.blank));
    for (var other = 0u; other < label_count; other++) {
        if label(other) == label(place) {
            if other < place {
                mark = LATER;
            } else if other > place {
                next = min(next, other);
            }
        }
    }
    work[links() + place] = next | mark;
}

// How likely a path is in a state at a time, up to a factor.
fn posterior(t: u32, state: u32) -> f32 {
    return safe_exp(held(t, state) + held(params.time + t % 2u, state));
}

fn backward(span: vec2<u32>, time: u32, scale: f32, lane: u32) {
    for (var after_it = span.y; after_it > span.x; after_it--) {
        let t = after_it - 1u;
        let row = params.time + t % 2u;
        let after = params.time + (t + 1u) % 2u;
        var top = NEVER;
        for (var state = lane; state < state_count; state += WIDTH) {
            var x = select(NEVER, 0.0, state + 2u >= state_count);
            if after_it < time {
                let stay = held(after, state) + emission(t + 1u, state);
                var one = NEVER;
                if state + 1u < state_count {
                    one = held(after, state + 1u) + emission(t + 1u, state + 1u);
                }
                var two = NEVER;
                if skips(state) {
                    two = held(after, state + 2u) + emission(t + 1u, state + 2u);
                }
                x = log_sum(stay, one, two);
            }
            hold(row, state, x);
            top = max(top, held(t, state) + x);
        }
        _ = settle(row, top, lane);
        // The states' posteriors at this time: of blanks, and of all.
        var blanks = 0.0;
        var others = 0.0;
        for (var state = lane; state < state_count; state += WIDTH) {
            let x = posterior(t, state);
            blanks += select(0.0, x, state % 2u == 0u);
            others += select(x, 0.0, state % 2u == 0u);
        }
        blanks = sum_lanes(blanks, lane, WIDTH);
        let total = blanks + sum_lanes(others, lane, WIDTH);
        let factor = select(-scale / total, 0.0, total == 0.0);
        let place_of = (t * params.samples + sample) * params.classes;
        if lane == 0u && u32(params.hyper.blank) < params.classes {
            grad[place_of + u32(params.hyper.blank)] = factor * blanks;
        }
        for (var place = lane; place < label_count; place += WIDTH) {
            if (work[links() + place] & LATER) != 0u {
                continue;
            }
            var sum = 0.0;
            for (var each = place; each != LAST; each = work[links() + each] & LAST) {
                sum += posterior(t, 2u * each + 1u);
            }
            grad[place_of + label(place)] = factor * sum;
        }
    }
}

// Whether the likelihood is that of a sample with a NaN.
fn is_lost(likelihood: f32) -> bool {
    return is_nan(likelihood) || is_inf(likelihood);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // A workgroup links the places of as many invocations.
    let blocks = select(1u, (params.places + WIDTH - 1u) / WIDTH, params.phase == LINK);
    let index = flat_workgroup(group, groups);
    // By a value of its own: browsers do not see that a private variable is the same for the whole workgroup.
    let number = index / blocks;
    sample = number;
    if number >= params.samples {
        return;
    }
    let time = min(lengths[sample].x, params.time);
    label_count = min(lengths[sample].y, params.places);
    state_count = 2u * label_count + 1u;
    if params.phase == LINK {
        let place = index % blocks * WIDTH + lane;
        if place < label_count {
            link(place);
        }
        return;
    }
    let rows = min(params.samples, steps.entries[now()].rows);
    let lost = params.phase != FORWARD && sample < rows && is_lost(from_bits(work[sum_place()]));
    if lost {
        for (var t = params.begin; t < min(params.end, time); t++) {
            for (var col = lane; col < params.classes; col += WIDTH) {
                grad[(t * params.samples + sample) * params.classes + col] = not_a_number();
            }
        }
    }
    if lane == 0u {
        // The gradient of what takes no part, or cannot be, stays 0.
        let possible = sample < rows && from_bits(work[sum_place()]) >= BARELY && !lost;
        let rests = params.phase != FORWARD && !possible;
        shared_span = select(min(vec2(params.begin, params.end), vec2(time)), vec2(0u), rests);
    }
    let span = workgroupUniformLoad(&shared_span);
    let divisor = select(1.0, max(f32(label_count), 1.0), params.per_label == 1u);
    if params.phase == FORWARD {
        forward(span, lane);
        if lane == 0u && params.end == params.time {
            let likelihood = log_likelihood(time);
            let worst = select(infinity(), 0.0, params.hyper.zero_infinity != 0.0);
            let own = select(-likelihood, worst, likelihood < BARELY);
            let term = select(own, not_a_number(), is_lost(likelihood)) / divisor;
            work[sum_place()] = bitcast<u32>(likelihood);
            values[sample] = select(0.0, term, sample < rows);
        }
        return;
    }
    let scale = select(1.0, 1.0 / f32(rows), params.mean == 1u);
    backward(span, time, params.upstream * scale / divisor, lane);
}
