// What varies by step: written ahead by the host, indexed by the device's own step counter.
struct StepEntry {
    rows: u32,
    start: u32,
    epoch: u32,
    total: u32,
    rate: f32,
    coupled: f32,
    shrink: f32,
    sign: f32,
    @size(96) scalars: Scalars,
}

struct Steps {
    counter: u32,
    capacity: u32,
    unused: vec2<u32>,
    entries: array<StepEntry>,
}
