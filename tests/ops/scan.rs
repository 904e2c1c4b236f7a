//! Running sums against the reference.

use wgrad::{Error, Shape};

use crate::support::run::{Case, gpu, normal};

fn check(extents: &[usize], dim: isize) -> usize {
    let name = format!("running sums of {extents:?} along {dim}");
    let mut case = Case::new(&name);
    let x = case.input(extents, &normal(7, extents.iter().product()));
    let forward = case.program.cumsum("forward", x, dim).unwrap();
    let reversed = case.program.cumsum_reversed("reversed", x, dim).unwrap();
    let [_, along, _] = Shape::new(extents).unwrap().split(dim).unwrap();
    // Terms near 1, of which blocks of 64 are added one after the other, then the sums of blocks.
    let depth = 64.0 * (along.max(2) as f64).log(64.0).ceil();
    let bound = depth * (along as f64).sqrt() * 2f64.powi(-24);
    let outcomes = case.run(gpu(), &[forward, reversed]);
    outcomes.iter().map(|outcome| outcome.close(&name, 1.0, bound)).sum()
}

#[test]
fn running_sums_are_those_of_the_reference_from_either_end() {
    let mut checks = 0;
    for (extents, dim) in [
        (&[1][..], 0),
        (&[64], 0),
        (&[65], 0),
        (&[300_000], 0),
        (&[3, 4097], -1),
        (&[4097, 3], 0),
        (&[2, 5000, 33], 1),
        (&[0], 0),
        (&[3, 0], 0),
        (&[3, 0], 1),
    ] {
        checks += check(extents, dim);
    }
    for seed in 0..24 {
        let drawn = normal(100 + seed, 4);
        let size = |i: usize| (drawn[i].abs() * 60.0) as usize;
        let extents = [size(0).min(40), size(1), size(2).min(40)];
        checks += check(&extents, (seed % 3) as isize - (seed % 2) as isize * 3);
    }
    assert!(checks > 700_000, "only {checks} values");
    println!("{checks} values");
}

#[test]
fn the_sums_of_exact_numbers_are_exact() {
    let mut case = Case::new("whole numbers");
    let x = case.input(&[1000], &[3.0; 1000]);
    let sums = case.program.cumsum("sums", x, 0).unwrap();
    let [outcome] = &case.run(gpu(), &[sums])[..] else { panic!() };
    let want: Vec<f32> = (1..=1000).map(|i| 3.0 * i as f32).collect();
    assert_eq!(outcome.got, want);
}

#[test]
fn what_is_not_a_number_reaches_the_sums_after_it_and_no_other() {
    let mut case = Case::new("not a number");
    let numbers: Vec<f32> = (0..200).map(|i| if i == 70 { f32::NAN } else { 1.0 }).collect();
    let x = case.input(&[200], &numbers);
    let forward = case.program.cumsum("forward", x, 0).unwrap();
    let reversed = case.program.cumsum_reversed("reversed", x, 0).unwrap();
    let [forward, reversed] = &case.run(gpu(), &[forward, reversed])[..] else { panic!() };
    for i in 0..200 {
        assert_eq!(forward.got[i].is_nan(), i >= 70, "{i}");
        assert_eq!(reversed.got[i].is_nan(), i <= 70, "{i}");
    }
}

#[test]
fn running_sums_along_no_axis_or_of_indices_are_refused() {
    let mut case = Case::new("refused");
    let (x, indices) = (case.input(&[3, 4], &[0.0; 12]), case.indices(&[2], &[0, 1]));
    let error = case.program.cumsum("sums", x, 2).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(
        error.to_string().contains("[3, 4]") && error.to_string().contains("cumsum"),
        "{error}"
    );
    let error = case.program.cumsum("sums", indices, 0).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}
