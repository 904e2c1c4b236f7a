// The rows and columns of an optimizer with 1 state values per parameter.
@group(0) @binding(6) var<storage, read> lines: array<f32>;
