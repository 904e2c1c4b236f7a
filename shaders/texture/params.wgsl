// An image beside a tensor of shape [height, width, channels].
struct Params {
    width: u32,
    height: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
