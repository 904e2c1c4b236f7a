//! The registry: entries, look-up by name, and an entry with values for its parameters.

use std::fmt;
use std::str::FromStr;

use super::param::{Param, ParamValue, letters, plain};
use crate::error::{Error, Result};
use crate::numeric::Float;

/// The maximum number of parameters of an op.
pub(crate) const MAX_PARAMS: usize = 14;

/// An op's parameter values, in the entry's order; unused elements are 0.
pub(crate) type Values<F = f64> = [F; MAX_PARAMS];

/// Another name for an op, which may set some parameters (`nag` is `sgd` with momentum 0.9 and nesterov).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Alias {
    /// The alternative name.
    pub name: &'static str,
    /// The parameters that it sets, with their values.
    pub sets: &'static [(&'static str, f64)],
}

impl Alias {
    /// A plain synonym.
    pub(crate) const fn of(name: &'static str) -> Self {
        Self { name, sets: &[] }
    }

    /// A synonym that sets parameters.
    pub(crate) const fn with(name: &'static str, sets: &'static [(&'static str, f64)]) -> Self {
        Self { name, sets }
    }
}

/// One op of the registry.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry<K: 'static> {
    /// The unique lower_snake_case name: file, label, look-up, test and table row.
    pub name: &'static str,
    /// Alternative names that look-up accepts.
    pub aliases: &'static [Alias],
    /// The parameters, in the order of the WGSL `Hyper` struct.
    pub params: &'static [Param],
    /// The formula as plain text.
    pub formula: &'static str,
    /// The source of the formula and the defaults.
    pub source: &'static str,
    /// The data that the family needs.
    pub kind: K,
}

/// Leaks a user-defined string, which then lives as long as the process.
pub(crate) fn leak_str(text: &str) -> &'static str {
    Box::leak(text.into())
}

/// A family of ops: activations, losses, optimizers, schedules, initializers.
#[doc(hidden)]
pub trait Kind: Sized + 'static {
    /// The family's name in messages.
    const FAMILY: &'static str;
    /// Every entry of the family.
    fn all() -> &'static [&'static Entry<Self>];
}

impl<K: Kind> Entry<K> {
    /// Returns whether the entry is the library's own, not user-defined.
    pub(crate) fn is_builtin(&self) -> bool {
        K::all().iter().any(|entry| std::ptr::eq(*entry, self))
    }
}

/// An entry with values for its parameters: `leaky_relu(alpha=0.2)`.
#[must_use]
pub struct Choice<K: 'static> {
    entry: &'static Entry<K>,
    values: Values,
}

impl<K: Kind> Choice<K> {
    /// The entry with its default parameters.
    pub(crate) fn of(entry: &'static Entry<K>) -> Self {
        let mut values = [0.0; MAX_PARAMS];
        for (value, param) in values.iter_mut().zip(entry.params) {
            *value = param.default;
        }
        Self { entry, values }
    }

    /// Looks up an op by name or alias. Case and the separators `-`, `_` and space are ignored; the name may end with
    /// that of the family, as in PyTorch's `NLLLoss`.
    ///
    /// # Errors
    /// [`Error::UnknownName`] lists the nearest names.
    pub fn named(name: &str) -> Result<Self> {
        let wanted = plain(name);
        let short = wanted.strip_suffix(K::FAMILY);
        let found = Self::exactly(&wanted)?.or(short.map_or(Ok(None), Self::exactly)?);
        found.ok_or_else(|| {
            let near = near::<K>(short.unwrap_or(&wanted));
            Error::UnknownName { kind: K::FAMILY, name: name.to_string(), near }
        })
    }

    /// Finds the op whose normalized name or alias equals `wanted`.
    fn exactly(wanted: &str) -> Result<Option<Self>> {
        for &entry in K::all() {
            if plain(entry.name) == wanted {
                return Ok(Some(Self::of(entry)));
            }
            if let Some(alias) = entry.aliases.iter().find(|alias| plain(alias.name) == wanted) {
                let set = |op: Self, &(name, value): &(&str, f64)| op.with(name, value);
                return alias.sets.iter().try_fold(Self::of(entry), set).map(Some);
            }
        }
        Ok(None)
    }

    /// A user-defined op, whose name has been checked. Its entry lives as long as the process, like those of the
    /// tables, so that a [`Choice`] stays `Copy`.
    pub(crate) fn own(name: &str, params: &'static [Param], kind: K) -> Self {
        let source = "the caller's own";
        let entry = Entry { name: leak_str(name), aliases: &[], params, formula: "", source, kind };
        Self::of(Box::leak(Box::new(entry)))
    }

    /// Fails unless `name` can be the name of a user-defined op.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is not a lower_snake_case name, or the name of a built-in op of the family.
    pub(crate) fn check_free(name: &str) -> Result<()> {
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(lower) {
            let message = format!("'{name}' is not a lower_snake_case name");
            return Err(Error::unsupported(format!("custom {}", K::FAMILY), message));
        }
        if Self::named(name).is_ok() {
            let message = format!("there is a built-in {} named '{name}'", K::FAMILY);
            return Err(Error::unsupported(format!("custom {}", K::FAMILY), message));
        }
        Ok(())
    }

    /// Every op of the family with its default parameters, required ones set to their examples.
    pub fn all() -> impl Iterator<Item = Self> {
        K::all().iter().map(|entry| {
            let mut op = Self::of(entry);
            op.values
                .iter_mut()
                .zip(entry.params)
                .for_each(|(value, param)| *value = param.example());
            op
        })
    }

    /// The same op with one parameter changed: to a number, to `true` or `false` if it is a flag, or to one of its
    /// names if it is a choice.
    ///
    /// ```
    /// use wgrad::{Initializer, Optimizer};
    ///
    /// let sgd = Optimizer::sgd().with("momentum", 0.9)?.with("nesterov", true)?;
    /// assert_eq!(sgd.to_string(), "sgd(momentum=0.9, nesterov=true)");
    /// let scaled = Initializer::variance_scaling().with("mode", "fan_out")?;
    /// assert_eq!(scaled.get("mode"), Some(1.0));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] if the parameter does not take the value, [`Error::UnknownName`] if the op has no such
    /// parameter.
    pub fn with<'a>(mut self, name: &str, value: impl Into<ParamValue<'a>>) -> Result<Self> {
        let found = self.place(name);
        let found =
            found.and_then(|at| Some((self.entry.params.get(at)?, self.values.get_mut(at)?)));
        let Some((param, place)) = found else {
            return Err(self.no_such_param(name));
        };
        *place = param.number(self.entry.name, value.into())?;
        Ok(self)
    }

    fn no_such_param(&self, name: &str) -> Error {
        let near = self.entry.params.iter().map(|param| param.name.to_string()).collect();
        Error::UnknownName { kind: "parameter", name: format!("{}.{name}", self.entry.name), near }
    }

    /// The index of a parameter in the entry's list, under its name as [`Choice::named`] takes one; `lr` is also
    /// `learning_rate`.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        let place = |name: &str| {
            self.entry.params.iter().position(|param| letters(param.name).eq(letters(name)))
        };
        let is_whole_name = || letters(name).eq(letters("learning_rate"));
        place(name).or_else(|| place("lr").filter(|_| is_whole_name()))
    }

    /// The same op with the parameters of a text such as `alpha=0.2, beta=1)`.
    fn with_settings(self, text: &str) -> Result<Self> {
        let settings = text.trim_end().strip_suffix(')').unwrap_or(text);
        let settings = settings.split(',').map(str::trim).filter(|setting| !setting.is_empty());
        settings.into_iter().try_fold(self, |op, setting| {
            let (param, value) = setting.split_once('=').unwrap_or((setting, ""));
            op.with(param.trim(), value.trim())
        })
    }

    /// The op of the same entry that a text written by `Display` describes; `None` if it is of another one. User-defined
    /// ops are not found by name.
    pub(crate) fn again(&self, text: &str) -> Option<Result<Self>> {
        let (name, settings) = text.split_once('(').unwrap_or((text, ""));
        (name == self.entry.name).then(|| Self::of(self.entry).with_settings(settings))
    }

    /// The value of a parameter, if the op has it: 0 or 1 for a flag, the index of the name for a choice.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(self.place(name)?).copied()
    }

    /// Checks every parameter against its range.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first parameter that is outside its range, was required but not given, or is below
    /// the parameter that is its lower bound.
    #[doc(hidden)]
    pub fn validate(&self) -> Result<()> {
        for (param, value) in self.entry.params.iter().zip(self.values) {
            param.number(self.entry.name, value.into())?;
            let floor = param.floor().and_then(|name| Some((name, self.get(name)?)));
            if let Some((other, least)) = floor.filter(|(_, least)| value < *least) {
                let valid = format!("it must be at least {other} = {least}");
                return Err(Error::parameter(self.entry.name, param.name, value, valid));
            }
        }
        Ok(())
    }
}

impl<K> Choice<K> {
    /// The registry entry.
    pub fn entry(&self) -> &'static Entry<K> {
        self.entry
    }

    /// The op's name.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// The parameters' values, in the entry's order.
    #[doc(hidden)]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The parameters with their values, in the entry's order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.entry.params.iter().map(|param| param.name).zip(self.values)
    }

    /// Sets a parameter without a check; [`Choice::validate`] must still be called before anything runs.
    pub(crate) fn set(mut self, name: &str, value: f64) -> Self {
        for (param, place) in self.entry.params.iter().zip(&mut self.values) {
            if param.name == name {
                *place = value;
            }
        }
        self
    }

    pub(crate) fn values_as<F: Float>(&self) -> Values<F> {
        self.values.map(F::of)
    }
}

fn near<K: Kind>(wanted: &str) -> Vec<String> {
    let names = K::all().iter().flat_map(|entry| {
        std::iter::once(entry.name).chain(entry.aliases.iter().map(|alias| alias.name))
    });
    // A typo, one edit or two adjacent letters swapped, outweighs any similarity score.
    let likeness = |name: &str| {
        let slip = strsim::osa_distance(wanted, name) == 1;
        strsim::jaro_winkler(wanted, name) + f64::from(u8::from(slip))
    };
    let mut ranked: Vec<(f64, &str)> = names.map(|name| (likeness(&plain(name)), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(3).map(|(_, name)| name.to_string()).collect()
}

impl<K> Clone for Choice<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Choice<K> {}

impl<K> PartialEq for Choice<K> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.entry, other.entry) && self.values == other.values
    }
}

/// Writes the name, then the parameters that differ from their defaults.
impl<K> fmt::Display for Choice<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        let changed = self
            .entry
            .params
            .iter()
            .zip(self.values)
            .filter(|(param, value)| param.default != *value);
        let list: Vec<String> =
            changed.map(|(param, value)| format!("{}={}", param.name, param.text(value))).collect();
        if list.is_empty() { Ok(()) } else { write!(f, "({})", list.join(", ")) }
    }
}

impl<K> fmt::Debug for Choice<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses the output of `Display`: `gelu`, `leaky_relu(alpha=0.2)`; aliases are accepted.
impl<K: Kind> FromStr for Choice<K> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((name, rest)) = text.split_once('(') else {
            return Self::named(text);
        };
        Self::named(name)?.with_settings(rest)
    }
}
