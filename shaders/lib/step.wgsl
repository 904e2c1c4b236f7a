// What varies by step: written ahead by the host, indexed by the device's own step counter.
struct StepEntry {
    rows: u32,
    start: u32,
    epoch: u32,
    total: u32,
    rate: f32,
    coupled: f32,
    shrink: f32,
    // 0: no update in this step.
    sign: f32,
    // 1: the first of a group of steps whose gradients are gathered.
    begins: u32,
    // How far a mean of the parameters moves.
    share: f32,
    // The deviation of noise on the gradients.
    noise: f32,
    @size(84) scalars: Scalars,
}

struct Steps {
    counter: u32,
    capacity: u32,
    unused: vec2<u32>,
    entries: array<StepEntry>,
}
