//! `shaders/lib/random.wgsl` draws the bits of `src/random.rs`, and `index.wgsl` counts every invocation once.

use crate::support;

use support::kernel::{INDEX, RANDOM, run};
use wgrad::random::{Key, Stream, unit};

const DRAW: &str = "
struct Case { key: vec2<u32>, step: u32, element: u32 }
@group(0) @binding(0) var<storage, read> cases: array<Case>;
@group(0) @binding(1) var<storage, read_write> drawn: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&cases) {
        let c = cases[id.x];
        let words = random_words(c.key, c.step, c.element);
        drawn[id.x] = vec4<u32>(words, bitcast<u32>(unit(words.x)), 0u);
    }
}
";

const PERMUTE: &str = "
struct Case { key: vec2<u32>, turn: u32, n: u32 }
@group(0) @binding(0) var<storage, read> c: Case;
@group(0) @binding(1) var<storage, read_write> order: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&order) {
        order[id.x] = permute(c.key, c.turn, id.x, c.n);
    }
}
";

const FLAT: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(4, 2, 2)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let i = flat_index(workgroup_id, num_workgroups, local_index, 16u);
    if i < arrayLength(&y) {
        y[i] += i + 1u;
    }
}
";

#[test]
fn words_and_uniforms_are_bit_identical_with_the_host() {
    let mut cases: Vec<(Key, u32, u32)> = Vec::new();
    for seed in [0, 1, 7, u64::from(u32::MAX), u64::MAX] {
        for stream in [Stream::Shuffle, Stream::Dropout(0), Stream::Dropout(3)] {
            let steps = [0, 1, 0x8000_0000, u32::MAX];
            let elements = (0..200).chain([0x7fff_ffff, 0x8000_0000, u32::MAX]);
            let key = Key::new(seed, stream);
            cases.extend(elements.flat_map(|e| steps.map(|step| (key, step, e))));
        }
    }
    let input: Vec<[u32; 4]> = cases.iter().map(|(k, s, e)| [k.0[0], k.0[1], *s, *e]).collect();
    let grid = [cases.len().div_ceil(64) as u32, 1];
    let source = [RANDOM, DRAW].concat();
    let bytes = run(&source, &[bytemuck::cast_slice(&input)], size_of_val(&input[..]), grid);
    let drawn: Vec<[u32; 4]> = bytemuck::pod_collect_to_vec(&bytes);
    assert_eq!(drawn.len(), cases.len());
    for ((key, step, element), [a, b, uniform, _]) in cases.into_iter().zip(drawn) {
        assert_eq!([a, b], key.words(step, element), "{key:?} {step} {element}");
        assert_eq!(f32::from_bits(uniform), unit(a));
    }
}

#[test]
fn permutations_are_identical_with_the_host() {
    let key = Key::new(7, Stream::Shuffle);
    let source = [RANDOM, PERMUTE].concat();
    for n in [1, 2, 3, 4, 5, 17, 64, 65, 256, 257, 1797, 65_537] {
        for turn in [0, 3] {
            let input = [key.0[0], key.0[1], turn, n];
            let bytes =
                run(&source, &[bytemuck::cast_slice(&input)], 4 * n as usize, [n.div_ceil(64), 1]);
            let order: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
            let host: Vec<u32> = (0..n).map(|i| key.permute(turn, i, n)).collect();
            assert_eq!(order, host, "n = {n}, round {turn}");
        }
    }
}

#[test]
fn a_folded_grid_visits_every_index_once() {
    // 7 x 13 workgroups of 16 for 1449 elements: the last row reaches beyond the end.
    let len = 7 * 13 * 16 - 7;
    let bytes = run(&[INDEX, FLAT].concat(), &[], 4 * len, [7, 13]);
    let visits: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
    assert_eq!(visits, (1..=len as u32).collect::<Vec<_>>());
}
