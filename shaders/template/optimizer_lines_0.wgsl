// The rows and columns of an optimizer with 0 state values per parameter.
@group(0) @binding(5) var<storage, read> lines: array<f32>;
