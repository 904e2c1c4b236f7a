// lbfgs: p += lr d, at first min(1, 1 / sum |g|) lr d; d = -H g, H the inverse Hessian of the last pairs of steps s
// and gradient changes y with s . y > 1e-10, around s . y / y . y
struct Scalars {
    rate: f32,
    decay: f32,
    tolerance_grad: f32,
    tolerance_change: f32,
}

// What is kept from step to step, as one array: eight numbers, s_i . y_j and y_i . y_j for all pairs of slots, then the
// coefficients of the direction, one for each s, each y and the gradient.
const ITERATIONS = 0u;
const COUNT = 1u;
// The slot of the newest pair, which is not yet part of the history.
const HEAD = 2u;
const LENGTH = 3u;
const SCALE = 4u;
// Whether the parameters move in this step, whether anything changes, and the slot whose y is new.
const MOVES = 5u;
const RESTS = 6u;
const PLACE = 7u;

fn products_sy(i: u32, j: u32, slots: u32) -> u32 {
    return 8u + i * slots + j;
}

fn products_yy(i: u32, j: u32, slots: u32) -> u32 {
    return 8u + (slots + i) * slots + j;
}

fn coefficient_s(i: u32, slots: u32) -> u32 {
    return 8u + 2u * slots * slots + i;
}

fn coefficient_y(i: u32, slots: u32) -> u32 {
    return 8u + 2u * slots * slots + slots + i;
}

fn coefficient_g(slots: u32) -> u32 {
    return 8u + 2u * slots * slots + 2u * slots;
}
