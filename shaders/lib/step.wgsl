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
    // How many steps the updates are late because some were skipped, and how many of them the host knew of when it wrote
    // the entries.
    late: u32,
    known: u32,
    // 1: the update of this step is skipped.
    skips: u32,
    entries: array<StepEntry>,
}

// The entry of this step.
fn now() -> u32 {
    return steps.counter % steps.capacity;
}

// The entry with the numbers of the update that is due.
fn due() -> u32 {
    return (steps.counter + steps.known - steps.late) % steps.capacity;
}

// Whether the parameters are updated in this step.
fn updates() -> bool {
    return steps.skips == 0u && steps.entries[due()].sign != 0.0;
}
