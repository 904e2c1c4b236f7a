alias Sums = mat2x4<f32>;
