//! User-defined activations and losses in WGSL, validated when they are defined; errors point into the user's source.

mod builtins;
mod text;

use std::sync::Arc;

use super::parts::MATH;
use super::{Kernel, Rows};
use crate::error::{Error, Result};
use crate::ops::activation::kernels as activation;
use crate::ops::loss::kernels::{self as loss_kernels, LossParts};
use crate::spec::loss::TargetForm;
use crate::spec::{Activation, Loss};

impl Activation {
    /// Defines an elementwise activation that can be used wherever a built-in one can.
    ///
    /// `forward` and `derivative` are WGSL sources that declare `fn forward(x: f32) -> f32` and
    /// `fn derivative(x: f32) -> f32`, with any helper functions and constants. All of `shaders/lib/math.wgsl` is
    /// available (`safe_exp`, `safe_tanh`, `sigmoid`, `softplus`, `erf`, `keep_nan`, ...); the WGSL functions of
    /// similar names are not safe for training. The closures are the same formulas for the CPU reference, computed in
    /// `f64`. Write a test that compares the two.
    ///
    /// A definition is kept until the process ends: define an activation once, not in a loop. Its kernels always run
    /// with WebGPU's run-time checks.
    ///
    /// A source may declare functions, structs, aliases and constants under names that neither WGSL nor the library
    /// uses. Every loop must be counted, as in `for (var i = 0; i < 8; i++)`. A source is limited to 16 kB, 16 384
    /// tokens after expanding calls and loops, 256 operators per expression, 48 levels of nested brackets or branches,
    /// arrays of 256 elements and 1 KiB of variables.
    ///
    /// ```
    /// use wgrad::Activation;
    ///
    /// let swoosh = Activation::custom(
    ///     "log_cosh",
    ///     "fn forward(x: f32) -> f32 { return abs(x) + softplus(-2.0 * abs(x)) - 0.6931472; }",
    ///     "fn derivative(x: f32) -> f32 { return safe_tanh(x); }",
    ///     |x| x.cosh().ln(),
    ///     f64::tanh,
    /// )?;
    /// assert_eq!(swoosh.to_string(), "log_cosh");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shader`] points to the fault in an invalid source; [`Error::Unsupported`] for a name that is taken or
    /// not snake_case.
    pub fn custom(
        name: &str,
        forward: &str,
        derivative: &str,
        reference: impl Fn(f64) -> f64 + Send + Sync + 'static,
        reference_derivative: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::check_free(name)?;
        let [forward, derivative] = &text::checked(name, [forward, derivative])?;
        check_function(name, "forward", &["x"], forward, &[])?;
        check_function(name, "derivative", &["x"], derivative, &[forward])?;
        let (reference, slope) = (Arc::new(reference), Arc::new(reference_derivative));
        let f = Self::define(name, forward, derivative, reference, slope);
        // Catches errors that only appear inside the templates, such as a clash with one of their names.
        let own = format!("{forward}\n{derivative}");
        check_kernel(name, &own, &activation::forward(&f, Rows::PLAIN))?;
        check_kernel(name, &own, &activation::backward(&f, Rows::PLAIN))?;
        Ok(f)
    }
}

impl Loss {
    /// Defines an elementwise loss that can be used wherever a built-in one can.
    ///
    /// `value` and `gradient` are WGSL sources that declare `fn value(y: f32, t: f32) -> f32` of prediction and target,
    /// and its derivative with respect to the prediction, `fn gradient(y: f32, t: f32) -> f32`; otherwise as
    /// [`Activation::custom`]. Reductions, row and element weights, and batches work as for every loss.
    ///
    /// ```
    /// use wgrad::Loss;
    ///
    /// let cauchy = Loss::custom(
    ///     "cauchy",
    ///     "fn value(y: f32, t: f32) -> f32 { return log1p((y - t) * (y - t)); }",
    ///     "fn gradient(y: f32, t: f32) -> f32 { return 2.0 * (y - t) / (1.0 + (y - t) * (y - t)); }",
    ///     |y, t| ((y - t) * (y - t)).ln_1p(),
    ///     |y, t| 2.0 * (y - t) / (1.0 + (y - t) * (y - t)),
    /// )?;
    /// assert_eq!(cauchy.to_string(), "cauchy");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Activation::custom`].
    pub fn custom(
        name: &str,
        value: &str,
        gradient: &str,
        reference: impl Fn(f64, f64) -> f64 + Send + Sync + 'static,
        reference_gradient: impl Fn(f64, f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::check_free(name)?;
        let [value, gradient] = &text::checked(name, [value, gradient])?;
        check_function(name, "value", &["y", "t"], value, &[])?;
        check_function(name, "gradient", &["y", "t"], gradient, &[value])?;
        let own = format!("{value}\n{gradient}");
        let loss = Self::define(name, &own, Arc::new(reference), Arc::new(reference_gradient));
        check_kernel(
            name,
            &own,
            &loss_kernels::loss(&loss, TargetForm::Values, Rows::PLAIN, LossParts::PLAIN),
        )?;
        Ok(loss)
    }
}

/// Fails unless `text`, compiled with `beside` and the math library, is valid and declares `function` with the given
/// `f32` arguments and an `f32` result.
pub(crate) fn check_function(
    name: &str,
    function: &str,
    arguments: &[&str],
    text: &str,
    beside: &[&str],
) -> Result<()> {
    let rest = [beside, &[MATH]].concat().join("\n");
    naga::function(name, function, arguments, text, &rest)
}

/// Fails unless the kernel is valid WGSL; errors in the user's source `own` point into it.
pub(crate) fn check_kernel(name: &str, own: &str, kernel: &Kernel) -> Result<()> {
    let rest: Vec<&str> =
        kernel.parts.iter().map(|part| &**part).filter(|part| *part != own).collect();
    naga::parse(name, own, &rest.join("\n")).map(drop)
}

/// Stubs for the browser, which has no naga: it validates the source itself when the kernel is first used.
#[cfg(target_family = "wasm")]
mod naga {
    use crate::error::Result;

    pub(crate) fn parse(_: &str, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    pub(crate) fn function(_: &str, _: &str, _: &[&str], _: &str, _: &str) -> Result<()> {
        Ok(())
    }
}

#[cfg(not(target_family = "wasm"))]
mod naga {
    use wgpu::naga::front::wgsl;
    use wgpu::naga::valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator};
    use wgpu::naga::{Expression, Function, Module, Scalar, TypeInner};

    use super::super::names;
    use super::{Error, Result};

    /// Parses and validates. The user's source comes first, so that line numbers refer to it.
    pub(crate) fn parse(name: &str, own: &str, rest: &str) -> Result<(Module, ModuleInfo)> {
        let source = format!("{own}\n{rest}");
        let refuse = |message| Err(Error::Shader { op: name.to_string(), message });
        let module = match wgsl::parse_str(&source) {
            Ok(module) => module,
            Err(error) => return refuse(error.emit_to_string_with_path(&source, name)),
        };
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        match validator.validate(&module) {
            Ok(info) => Ok((module, info)),
            Err(error) => refuse(error.emit_to_string_with_path(&source, name)),
        }
    }

    /// The largest size in bytes of the variables of a source, and of any of its types.
    const MOST_BYTES: u32 = 1024;

    pub(crate) fn function(
        name: &str,
        function: &str,
        arguments: &[&str],
        own: &str,
        rest: &str,
    ) -> Result<()> {
        let (module, info) = parse(name, own, rest)?;
        let refuse = |message: String| Err(Error::Shader { op: name.to_string(), message });
        let bytes = bytes(&module, &info, &names::declared(own));
        if bytes > MOST_BYTES {
            return refuse(format!(
                "variables or a type of {bytes} bytes; the most is {MOST_BYTES}"
            ));
        }
        let is_f32 = |ty| module.types.get_handle(ty).is_ok_and(is_f32);
        let fits = module.functions.iter().any(|(_, found)| {
            found.name.as_deref() == Some(function)
                && found.arguments.len() == arguments.len()
                && found.arguments.iter().all(|argument| is_f32(argument.ty))
                && found.result.as_ref().is_some_and(|result| is_f32(result.ty))
        });
        if fits {
            return Ok(());
        }
        let list: Vec<String> = arguments.iter().map(|name| format!("{name}: f32")).collect();
        refuse(format!("the text must declare `fn {function}({}) -> f32`", list.join(", ")))
    }

    /// The bytes of the variables of the named functions, or of the largest type if that is more. A value with a
    /// dynamic index becomes a variable as well.
    fn bytes(module: &Module, info: &ModuleInfo, names: &[&str]) -> u32 {
        let size = |inner: &TypeInner| inner.try_size(module.to_ctx()).unwrap_or(u32::MAX);
        let of = |function: &Function, info: &FunctionInfo| {
            let locals = function.local_variables.iter();
            let locals = locals.map(|(_, variable)| size(&module.types[variable.ty].inner));
            let indexed = function.expressions.iter().filter_map(|(_, one)| match one {
                Expression::Access { base, .. } => Some(info[*base].ty.inner_with(&module.types)),
                _ => None,
            });
            locals.chain(indexed.map(size)).fold(0, u32::saturating_add)
        };
        let own = module.functions.iter();
        let own =
            own.filter(|(_, one)| one.name.as_deref().is_some_and(|name| names.contains(&name)));
        let variables = own.map(|(handle, one)| of(one, &info[handle]));
        let largest = module.types.iter().map(|(_, one)| size(&one.inner)).max().unwrap_or(0);
        variables.fold(0, u32::saturating_add).max(largest)
    }

    fn is_f32(ty: &wgpu::naga::Type) -> bool {
        ty.inner == TypeInner::Scalar(Scalar::F32)
    }
}
