// The rows and columns of an optimizer with 2 state values per parameter.
@group(0) @binding(7) var<storage, read> lines: array<f32>;
