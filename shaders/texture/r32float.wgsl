@group(0) @binding(1) var image: texture_storage_2d<r32float, write>;
