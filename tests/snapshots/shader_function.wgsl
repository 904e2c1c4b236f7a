// A network of 2 to 3 numbers; the parameters are read from a buffer.

@group(0) @binding(0) var<storage, read> net_weights: array<vec4<f32>>;

fn net(input: array<f32, 2>) -> array<f32, 3> {
    var x = array<vec4<f32>, 1>(vec4(input[0], input[1], 0.0, 0.0));
    // dense, 2 to 8
    var y0: array<vec4<f32>, 2>;
    {
        let x0 = x[0u];
        y0[0u] = vec4(
            net_weights[0u].x * x0.x + net_weights[0u].y * x0.y,
            net_weights[0u].z * x0.x + net_weights[0u].w * x0.y,
            net_weights[1u].x * x0.x + net_weights[1u].y * x0.y,
            net_weights[1u].z * x0.x + net_weights[1u].w * x0.y,
        ) + net_weights[16u];
        y0[1u] = vec4(
            net_weights[2u].x * x0.x + net_weights[2u].y * x0.y,
            net_weights[2u].z * x0.x + net_weights[2u].w * x0.y,
            net_weights[3u].x * x0.x + net_weights[3u].y * x0.y,
            net_weights[3u].z * x0.x + net_weights[3u].w * x0.y,
        ) + net_weights[17u];
    }
    // leaky_relu
    var y1: array<vec4<f32>, 2>;
    y1[0u] = net_leaky_relu_each(y0[0u]);
    y1[1u] = net_leaky_relu_each(y0[1u]);
    // dense, 8 to 3
    var y2: array<vec4<f32>, 1>;
    {
        let x0 = y1[0u];
        let x1 = y1[1u];
        y2[0u] = vec4(
            dot(net_weights[32u], x0) + dot(net_weights[33u], x1),
            dot(net_weights[34u], x0) + dot(net_weights[35u], x1),
            dot(net_weights[36u], x0) + dot(net_weights[37u], x1),
            0.0,
        ) + net_weights[48u];
    }
    return array<f32, 3>(y2[0u].x, y2[0u].y, y2[0u].z);
}

fn net_vec(x: vec2<f32>) -> vec3<f32> {
    let y = net(array<f32, 2>(x[0], x[1]));
    return vec3<f32>(y[0], y[1], y[2]);
}

fn net_leaky_relu_each(x: vec4<f32>) -> vec4<f32> {
    return vec4(net_leaky_relu_forward(x.x), net_leaky_relu_forward(x.y), net_leaky_relu_forward(x.z), net_leaky_relu_forward(x.w));
}

fn net_leaky_relu_forward(x: f32) -> f32 {
    return select(0.01 * x, x, x > 0.0);
}
