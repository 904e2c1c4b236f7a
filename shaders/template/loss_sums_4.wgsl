alias Sums = vec4<f32>;
