// Counter-based random numbers, bit for bit those of src/random.rs: Threefry-2x32 with 20 rounds (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", 2011).

fn threefry_round(x: vec2<u32>, rotation: u32) -> vec2<u32> {
    let sum = x.x + x.y;
    return vec2<u32>(sum, ((x.y << rotation) | (x.y >> (32u - rotation))) ^ sum);
}

fn threefry_rounds(x: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
    return threefry_round(threefry_round(threefry_round(threefry_round(x, r.x), r.y), r.z), r.w);
}

// Unrolled: a loop costs a bounds counter per turn.
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    let even = vec4<u32>(13u, 15u, 26u, 6u);
    let odd = vec4<u32>(17u, 29u, 16u, 24u);
    let parity = key.x ^ key.y ^ 0x1bd11bdau;
    var x = counter + key;
    x = threefry_rounds(x, even) + vec2<u32>(key.y, parity + 1u);
    x = threefry_rounds(x, odd) + vec2<u32>(parity, key.x + 2u);
    x = threefry_rounds(x, even) + vec2<u32>(key.x, key.y + 3u);
    x = threefry_rounds(x, odd) + vec2<u32>(key.y, parity + 4u);
    return threefry_rounds(x, even) + vec2<u32>(parity, key.x + 5u);
}

// The two random words of one element at one step.
fn random_words(key: vec2<u32>, step: u32, element: u32) -> vec2<u32> {
    return threefry(key, vec2<u32>(step, element));
}

// The top 24 bits of a word as a uniform number in [0, 1): every operation is exact.
fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 16777216.0);
}

// Where index stands in the round-th random order of 0..n: a Feistel network over the next even power of two, walked
// until it lands below n.
fn permute(key: vec2<u32>, round_number: u32, index: u32, n: u32) -> u32 {
    if n <= 1u {
        return 0u;
    }
    let half_bits = (33u - countLeadingZeros(n - 1u)) / 2u;
    let mask = (1u << half_bits) - 1u;
    // From beyond n the walk might never come back below it.
    var value = index % n;
    loop {
        var left = (value >> half_bits) & mask;
        var right = value & mask;
        for (var turn = 0u; turn < 4u; turn++) {
            let mixed = random_words(key, round_number, (turn << 16u) | right).x & mask;
            let next = left ^ mixed;
            left = right;
            right = next;
        }
        value = (left << half_bits) | right;
        if value < n {
            break;
        }
    }
    return value;
}
