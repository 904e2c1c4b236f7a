fn carry(scalars: Scalars, loss: f32, numbers: vec4<f32>) -> Carried {
    var s = scalars;
    let largest = max(numbers.y, s.rate);
    let weight = powp(largest, s.power);
    let sum = numbers.x + weight;
    s.fraction = select(0.0, weight / sum, sum > 0.0);
    return Carried(s, vec4(sum, largest, 0.0, 0.0));
}
