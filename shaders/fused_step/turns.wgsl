// More iterations than any loop takes. It comes from the size of the grid, so that no compiler knows it: those of CPU adapters
// unroll loops of a known length, and lavapipe compiles a kernel again for each value of a uniform that bounds a loop.
var<private> unknown: u32;

// The number of iterations of a loop over registers or memory.
fn turns(count: u32) -> u32 {
    return select(min(count, unknown), count, UNROLLS);
}
