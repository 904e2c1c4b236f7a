// Grids longer than 65 535 workgroups are folded to two dimensions by the host; the last row may hold workgroups beyond
// the end, so a kernel still compares the index with its length. A grid of 2^32 invocations or more would wrap.
fn flat_workgroup(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>) -> u32 {
    return workgroup_id.y * num_workgroups.x + workgroup_id.x;
}

fn flat_index(workgroup_id: vec3<u32>, num_workgroups: vec3<u32>, local_index: u32, workgroup_size: u32) -> u32 {
    return flat_workgroup(workgroup_id, num_workgroups) * workgroup_size + local_index;
}

// Which lanes of the i-th group of four elements lie below len.
fn below(i: u32, len: u32) -> vec4<bool> {
    return vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(len);
}
