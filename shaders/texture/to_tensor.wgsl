@group(0) @binding(1) var image: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width || id.y >= params.height {
        return;
    }
    var texel = textureLoad(image, id.xy, 0);
    let place = (id.y * params.width + id.x) * params.channels;
    for (var channel = 0u; channel < params.channels; channel++) {
        y[place + channel] = texel[channel];
    }
}
