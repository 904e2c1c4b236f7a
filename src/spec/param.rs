//! Parameters of ops: their kinds, and the values that they take.

use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use crate::error::{Error, Result};
use crate::shape::MAX_AXES;

/// An interval of finite numbers. NaN and the infinities are outside every range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: Bound<f64>,
    high: Bound<f64>,
}

impl Range {
    /// Any finite value.
    pub(crate) const FINITE: Self = Self::new(Unbounded, Unbounded);
    /// Greater than 0.
    pub(crate) const POSITIVE: Self = Self::new(Excluded(0.0), Unbounded);
    /// 0 or greater.
    pub(crate) const NOT_NEGATIVE: Self = Self::new(Included(0.0), Unbounded);
    /// From 0 (inclusive) to 1 (exclusive).
    pub(crate) const BELOW_ONE: Self = Self::new(Included(0.0), Excluded(1.0));
    /// From 0 to 1, both inclusive.
    pub(crate) const UNIT: Self = Self::new(Included(0.0), Included(1.0));

    /// A range with the given bounds.
    pub(crate) const fn new(low: Bound<f64>, high: Bound<f64>) -> Self {
        Self { low, high }
    }

    /// Returns whether a value lies in the range, both as given and rounded to the `f32` that the device receives. A
    /// value that rounds to 0 without being 0 is outside.
    pub fn contains(&self, value: f64) -> bool {
        let seen = f64::from(value as f32);
        self.holds(value) && self.holds(seen) && (seen == 0.0) == (value == 0.0)
    }

    fn holds(&self, value: f64) -> bool {
        let above = match self.low {
            Included(low) => value >= low,
            Excluded(low) => value > low,
            Unbounded => true,
        };
        let below = match self.high {
            Included(high) => value <= high,
            Excluded(high) => value < high,
            Unbounded => true,
        };
        value.is_finite() && above && below
    }

    /// Fails unless the range contains the value of the parameter `name` of `op`.
    pub(crate) fn check(&self, op: &str, name: &str, value: f64) -> Result<()> {
        Param::new("", f64::NAN, *self).kind.check(op, name, value)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be a finite number")?;
        match self.low {
            Included(low) => write!(f, ", {low} or greater")?,
            Excluded(low) => write!(f, ", greater than {low}")?,
            Unbounded => {}
        }
        match self.high {
            Included(high) => write!(f, ", at most {high}"),
            Excluded(high) => write!(f, ", less than {high}"),
            Unbounded => Ok(()),
        }
    }
}

/// The kind of a parameter. Every value is kept as a number, which is what formulas and shaders read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    /// A number in a range.
    Real(Range),
    /// A whole number between two others, both inclusive.
    Integer(i32, i32),
    /// Off or on: 0 or 1.
    Flag,
    /// One of several names: its index.
    Choice(&'static [&'static str]),
    /// An axis of a tensor: counted from 0, or backwards from the last one if negative.
    Axis,
}

impl ParamKind {
    /// Returns whether a parameter of this kind takes a value, both as given and as the `f32` that a device receives.
    #[doc(hidden)]
    pub fn contains(&self, value: f64) -> bool {
        match self {
            Self::Real(range) => range.contains(value),
            _ => self.holds(value),
        }
    }

    fn holds(&self, value: f64) -> bool {
        let whole = |low: f64, high: f64| value == value.trunc() && (low..=high).contains(&value);
        match *self {
            Self::Real(range) => range.holds(value),
            Self::Integer(low, high) => whole(low.into(), high.into()),
            Self::Flag => whole(0.0, 1.0),
            Self::Choice(names) => whole(0.0, names.len() as f64 - 1.0),
            Self::Axis => whole(-(MAX_AXES as f64), MAX_AXES as f64 - 1.0),
        }
    }

    /// Fails unless the parameter `name` of `op`, which is of this kind, takes the value.
    pub(crate) fn check(&self, op: &str, name: &str, value: f64) -> Result<()> {
        if self.contains(value) {
            return Ok(());
        }
        let mut valid = self.to_string();
        if self.holds(value) {
            valid += &format!("; in single precision it is {:e}", value as f32);
        }
        Err(Error::parameter(op, name, value, valid))
    }

    /// The number that stands for a value, if it is one of this kind.
    fn number(&self, value: ParamValue<'_>) -> Option<f64> {
        match (self, value) {
            (_, ParamValue::Number(number)) => Some(number),
            (Self::Flag, ParamValue::Flag(on)) => Some(f64::from(on)),
            (_, ParamValue::Flag(_)) => None,
            (Self::Flag, ParamValue::Text("false")) => Some(0.0),
            (Self::Flag, ParamValue::Text("true")) => Some(1.0),
            (_, ParamValue::Text(text)) => {
                let names = if let Self::Choice(names) = self { *names } else { &[] };
                let index = names.iter().position(|name| plain(name) == plain(text));
                index.map(|index| index as f64).or_else(|| text.parse().ok())
            }
        }
    }

    /// The text of a value: `true` or `false` for a flag, the name for a choice, otherwise the number.
    #[doc(hidden)]
    pub fn text(&self, value: f64) -> String {
        let names: &[&str] = match self {
            Self::Flag => &["false", "true"],
            Self::Choice(names) => names,
            _ => &[],
        };
        let named = names.get(value as usize).filter(|_| self.holds(value));
        named.map_or_else(|| value.to_string(), |name| name.to_string())
    }
}

/// The name in lower case, without separators.
pub(super) fn plain(name: &str) -> String {
    letters(name).collect()
}

/// The characters of [`plain`], for comparisons that allocate nothing.
pub(super) fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase)
}

/// Writes which values are valid.
impl fmt::Display for ParamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Real(range) => range.fmt(f),
            Self::Integer(low, high) => {
                write!(f, "it must be a whole number, {low} or greater, at most {high}")
            }
            Self::Flag => f.write_str("it must be true or false"),
            Self::Choice(names) => write!(f, "it must be one of {}", names.join(", ")),
            Self::Axis => {
                let most = MAX_AXES as i32;
                write!(f, "it must be an axis: a whole number from {} to {}", -most, most - 1)
            }
        }
    }
}

/// A value for a parameter, as a caller gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamValue<'a> {
    /// A number.
    Number(f64),
    /// Off or on.
    Flag(bool),
    /// A number, a flag or the name of a choice, as text.
    Text(&'a str),
}

impl From<f64> for ParamValue<'_> {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i32> for ParamValue<'_> {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<bool> for ParamValue<'_> {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl<'a> From<&'a str> for ParamValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl fmt::Display for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Flag(on) => on.fmt(f),
            Self::Text(text) => write!(f, "'{}'", crate::error::cut(text)),
        }
    }
}

/// A parameter of an op.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The name, PyTorch's if it has one.
    pub name: &'static str,
    /// The default value. NaN marks a required parameter.
    pub default: f64,
    /// The kind, which gives the valid values.
    pub kind: ParamKind,
    /// The value of a required parameter in tables and tests.
    example: f64,
    /// The parameter that is this one's lower bound, if any.
    floor: Option<&'static str>,
}

impl Param {
    /// A number with its default and range.
    pub(crate) const fn new(name: &'static str, default: f64, range: Range) -> Self {
        Self::of(name, default, ParamKind::Real(range))
    }

    /// A required number, with an example for tables and tests.
    pub(crate) const fn required(name: &'static str, example: f64, range: Range) -> Self {
        Self { default: f64::NAN, ..Self::new(name, example, range) }
    }

    /// A whole number with its default and bounds, both inclusive.
    pub(crate) const fn integer(name: &'static str, default: i32, [low, high]: [i32; 2]) -> Self {
        Self::of(name, default as f64, ParamKind::Integer(low, high))
    }

    pub(crate) const fn flag(name: &'static str, on: bool) -> Self {
        Self::of(name, if on { 1.0 } else { 0.0 }, ParamKind::Flag)
    }

    /// A choice among names, by default the first.
    pub(crate) const fn choice(name: &'static str, names: &'static [&'static str]) -> Self {
        Self::of(name, 0.0, ParamKind::Choice(names))
    }

    pub(crate) const fn axis(name: &'static str, default: i32) -> Self {
        Self::of(name, default as f64, ParamKind::Axis)
    }

    const fn of(name: &'static str, default: f64, kind: ParamKind) -> Self {
        Self { name, default, kind, example: default, floor: None }
    }

    /// The same parameter with another parameter of the op as its lower bound.
    pub(crate) const fn not_below(self, other: &'static str) -> Self {
        Self { floor: Some(other), ..self }
    }

    /// The parameter that is this one's lower bound, if any.
    pub(super) const fn floor(&self) -> Option<&'static str> {
        self.floor
    }

    /// The default, or the example of a required parameter.
    #[doc(hidden)]
    pub const fn example(&self) -> f64 {
        self.example
    }

    /// The text of a value, as [`ParamKind::text`].
    #[doc(hidden)]
    pub fn text(&self, value: f64) -> String {
        self.kind.text(value)
    }

    /// The number that stands for a value of this parameter of `op`.
    pub(super) fn number(&self, op: &str, value: ParamValue<'_>) -> Result<f64> {
        match self.kind.number(value) {
            Some(number) => self.kind.check(op, self.name, number).map(|()| number),
            None => Err(Error::parameter(op, self.name, value, self.kind.to_string())),
        }
    }
}
