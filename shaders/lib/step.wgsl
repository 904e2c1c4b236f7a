// What varies by step: written ahead by the host, indexed by the device's own step counter.
// An entry belongs to a step or to an update: the rows and what is gathered are a step's, the numbers an update's.
struct StepEntry {
    rows: u32,
    start: u32,
    epoch: u32,
    total: u32,
    rate: f32,
    coupled: f32,
    shrink: f32,
    // -1: maximize.
    sign: f32,
    // 1: the first of a group of steps whose gradients are gathered.
    begins: u32,
    // One over the number of steps of the group.
    gathered: f32,
    // 0: no update in this step.
    updates: u32,
    // The number of the update, had none been skipped.
    update: u32,
    // How far a mean of the parameters moves.
    average_weight: f32,
    // The deviation of noise on the gradients.
    noise: f32,
    @size(84) scalars: Scalars,
}

struct Steps {
    counter: u32,
    capacity: u32,
    // How many updates were skipped.
    late: u32,
    // 1: the update of this step is skipped.
    skips: u32,
    // Those of steps, and after them those of updates.
    entries: array<StepEntry>,
}

// The entry of this step.
fn now() -> u32 {
    return steps.counter % steps.capacity;
}

// The entry with the numbers of the update that is due in the step of an entry.
fn due_in(entry: u32) -> u32 {
    return steps.capacity + (steps.entries[entry].update - steps.late) % steps.capacity;
}

fn due() -> u32 {
    return due_in(now());
}

// Whether an update is due in this step.
fn is_due() -> bool {
    return steps.entries[now()].updates == 1u;
}

// Whether the parameters are updated in this step.
fn updates() -> bool {
    return steps.skips == 0u && is_due();
}
