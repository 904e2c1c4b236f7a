//! Values of parameters that no test lists.

use wgrad::spec::{Choice, Kind};

/// The op with one parameter changed, for each parameter that none of `listed` changes.
pub fn changed<K: Kind>(op: Choice<K>, listed: &[Choice<K>]) -> Vec<Choice<K>> {
    let same: Vec<_> = listed.iter().filter(|other| other.name() == op.name()).collect();
    let params = op.entry().params.iter();
    let left = params
        .filter(|param| same.iter().all(|other| other.get(param.name) == Some(param.default)));
    left.map(|param| {
        let values = [param.default / 2.0, 0.125, 1.0, 0.0];
        let other = |value: &f64| *value != param.default && param.kind.contains(*value);
        let value = values.into_iter().find(other);
        op.with(param.name, value.expect("a list with another value in range")).unwrap()
    })
    .collect()
}
