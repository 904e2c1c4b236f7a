fn forward(x: f32) -> f32 {
    return x * normal_cdf(x);
}

fn derivative(x: f32) -> f32 {
    return normal_cdf(x) + x * normal_pdf(x);
}
