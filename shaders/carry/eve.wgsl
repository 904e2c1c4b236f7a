fn carry(scalars: Scalars, loss: f32, numbers: vec4<f32>) -> Carried {
    var s = scalars;
    s.pace = 1.0;
    if s.has_previous == 1.0 {
        // A loss at the least one or below counts as just above it.
        let over = max(min(loss, numbers.y) - s.least_loss, 1e-12);
        let moved = abs(loss - numbers.y);
        let change = keep_nan(moved, clamp(moved / over, 1.0 / s.limit, s.limit));
        s.pace = numbers.x + s.one_minus_beta3 * (change - numbers.x);
    }
    return Carried(s, vec4(s.pace, loss, 0.0, 0.0));
}
