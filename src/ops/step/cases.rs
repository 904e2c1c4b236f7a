//! Test programs of the family.

use crate::error::Result;
use crate::ir::Steps;
use crate::ops::case::{COLS, Case, ROWS};
use crate::random::{Key, Stream};
use crate::spec::{Optimizer, Reduce};

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    [None, Some(Key::new(3, Stream::Shuffle))].map(batches).into_iter().collect()
}

/// Rows and class targets of two batches, with one recorded value each.
fn batches(shuffle: Option<Key>) -> Result<Case> {
    let batch = 8;
    let name = if shuffle.is_some() { "step.shuffled" } else { "step.in_order" };
    let mut case = Case::new(name);
    let data = case.real(&[ROWS, COLS])?;
    let classes = case.classes(&[ROWS], (0..ROWS as u32).collect())?;
    let rows = case.program.gather("rows", data, batch, shuffle)?;
    case.program.gather("classes", classes, batch, shuffle)?;
    let sum = case.program.reduce("sum", Reduce::Sum, rows, &[])?;
    case.program.record(&[sum])?;
    case.rule = Steps { batch, ..Steps::new(Optimizer::sgd(), ROWS) };
    case.steps = 2;
    Ok(case)
}
