// Channels that the tensor has not are 0, alpha 1.
@group(0) @binding(2) var<storage, read> x: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width || id.y >= params.height {
        return;
    }
    var texel = vec4(0.0, 0.0, 0.0, 1.0);
    let place = (id.y * params.width + id.x) * params.channels;
    for (var channel = 0u; channel < params.channels; channel++) {
        texel[channel] = x[place + channel];
    }
    textureStore(image, id.xy, texel);
}
