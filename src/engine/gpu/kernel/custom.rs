//! User-defined activations, losses and optimizers in WGSL, validated when they are defined; errors point into the user's
//! source.

mod builtins;
mod text;

use std::sync::Arc;

use super::parts::{MATH, OPTIMIZER_TYPES};
use super::{Kernel, Rows};
use crate::error::{Error, Result};
use crate::ops::activation::kernels as activation;
use crate::ops::loss::kernels::{self as loss_kernels, LossParts};
use crate::ops::update::kernels as update_kernels;
use crate::spec::difference::{ArgumentRange, Mismatch, mismatch};
use crate::spec::loss::TargetForm;
use crate::spec::optimizer::SCALARS;
use crate::spec::{Activation, Loss, Optimizer};

impl Activation {
    /// Defines an elementwise activation that can be used wherever a built-in one can.
    ///
    /// `forward` and `derivative` are WGSL sources that declare `fn forward(x: f32) -> f32` and
    /// `fn derivative(x: f32) -> f32`, with any helper functions and constants. All of `shaders/lib/math.wgsl` is
    /// available (`safe_exp`, `safe_tanh`, `sigmoid`, `softplus`, `erf`, `keep_nan`, ...); the WGSL functions of
    /// similar names are not safe for training. The closures are the same formulas for the CPU reference, computed in
    /// `f64`; central differences of `reference` must confirm `reference_derivative`, unless the function has no slope
    /// anywhere, as a step: then the derivative is a surrogate. [`Trainer::self_test`](crate::Trainer::self_test)
    /// compares the two languages.
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
    /// not snake_case, or a derivative that is not that of the function.
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
        let wrong = mismatch([ArgumentRange::Real; 2], |x, _| reference(x), |x, _| slope(x));
        refuse_mismatch("activation", name, wrong)?;
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
        let (reference, slope) = (Arc::new(reference), Arc::new(reference_gradient));
        // A loss of probabilities or of signs need not be right for other numbers.
        let domains = [
            [ArgumentRange::Real; 2],
            [ArgumentRange::Unit; 2],
            [ArgumentRange::Positive; 2],
            [ArgumentRange::Real, ArgumentRange::Sign],
        ];
        let wrong: Option<Vec<Mismatch>> =
            domains.into_iter().map(|numbers| mismatch(numbers, &*reference, &*slope)).collect();
        refuse_mismatch("loss", name, wrong.and_then(|all| all.into_iter().next()))?;
        let loss = Self::define(name, &own, reference, slope);
        check_kernel(
            name,
            &own,
            &loss_kernels::loss(&loss, TargetForm::Values, Rows::PLAIN, LossParts::PLAIN),
        )?;
        Ok(loss)
    }
}

impl Optimizer {
    /// Defines an optimizer that can be used wherever a built-in one can, with up to four state values per parameter, all
    /// 0 at first, under the names that a checkpoint keeps.
    ///
    /// `update` is a WGSL source that declares
    /// `fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated`; `s.lr` is the learning rate of the
    /// step, `s.step` the number of the update, from 1, and the result `Updated(delta, state)` the amount to subtract
    /// from the parameter and the new state. `lr`, `weight_decay`, `decoupled` and `maximize`, schedules and rates per
    /// tensor work as for every optimizer: they are applied around the formula. The closure is the same formula for the
    /// CPU reference, computed in `f64`: it takes parameter, gradient, states, learning rate and number of the update,
    /// changes the states, and returns the amount to subtract. Otherwise as [`Activation::custom`]; for a power of a
    /// decay there is `powp`.
    ///
    /// ```
    /// use wgrad::Optimizer;
    ///
    /// let heavy_ball = Optimizer::custom(
    ///     "heavy_ball",
    ///     &["velocity"],
    ///     "fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    ///         let velocity = 0.9 * state.x + s.lr * grad;
    ///         return Updated(velocity, vec4(velocity, 0.0, 0.0, 0.0));
    ///     }",
    ///     |_, grad, state, lr, _| {
    ///         state[0] = 0.9 * state[0] + lr * grad;
    ///         state[0]
    ///     },
    /// )?;
    /// assert_eq!(heavy_ball.learning_rate(0.01).to_string(), "heavy_ball(lr=0.01)");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Activation::custom`]; [`Error::Unsupported`] also if a state has no name of its own in snake_case, if the
    /// closure writes a state that is not named, or if it turns ordinary numbers into others than finite ones.
    pub fn custom(
        name: &str,
        states: &[&str],
        update: &str,
        reference: impl Fn(f64, f64, &mut [f64; 4], f64, f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::check_free(name)?;
        let [update] = &text::checked(name, [update])?;
        let beside = [MATH, OPTIMIZER_TYPES, SCALARS].join("\n");
        let arguments =
            [("param", "f32"), ("grad", "f32"), ("state", "vec4<f32>"), ("s", "Scalars")];
        naga::function(name, ("update", &arguments, "Updated"), update, &beside)?;
        let optimizer = Self::define(name, states, update, Arc::new(reference))?;
        check_kernel(name, optimizer.entry().kind.shader, &update_kernels::optimizer(&optimizer))?;
        Ok(optimizer)
    }
}

/// Fails for a derivative that is not that of its function.
fn refuse_mismatch(family: &str, name: &str, wrong: Option<Mismatch>) -> Result<()> {
    let Some(Mismatch { at: [x, t], derivative, difference }) = wrong else { return Ok(()) };
    let place = if family == "loss" { format!("y = {x}, t = {t}") } else { format!("x = {x}") };
    let message = format!(
        "at {place} its derivative is {derivative}, the central difference of its value {difference}"
    );
    Err(Error::unsupported(format!("custom {family} '{name}'"), message))
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
    let arguments: Vec<_> = arguments.iter().map(|name| (*name, "f32")).collect();
    naga::function(name, (function, &arguments, "f32"), text, &rest)
}

/// The name of a function, the names and types of its arguments, and the type of its result.
type Signature<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// Fails unless the kernel is valid WGSL; errors in the user's source `own` point into it.
pub(crate) fn check_kernel(name: &str, own: &str, kernel: &Kernel) -> Result<()> {
    let rest: Vec<&str> =
        kernel.parts.iter().map(|part| &**part).filter(|part| *part != own).collect();
    naga::parse(name, own, &rest.join("\n")).map(drop)
}

/// Stubs for the browser, which has no naga: it validates the source itself when the kernel is first used.
#[cfg(target_family = "wasm")]
mod naga {
    use super::Signature;
    use crate::error::Result;

    pub(crate) fn parse(_: &str, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    pub(crate) fn function(_: &str, _: Signature<'_>, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
}

#[cfg(not(target_family = "wasm"))]
mod naga {
    use wgpu::naga::front::wgsl;
    use wgpu::naga::valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator};
    use wgpu::naga::{Expression, Function, Module, Scalar, TypeInner, VectorSize};

    use super::super::names;
    use super::{Error, Result, Signature};

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
        (function, arguments, result): Signature<'_>,
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
        let is = |ty, wanted: &str| module.types.get_handle(ty).is_ok_and(|ty| spelt(ty) == wanted);
        let fits = module.functions.iter().any(|(_, found)| {
            let types = || found.arguments.iter().zip(arguments);
            found.name.as_deref() == Some(function)
                && found.arguments.len() == arguments.len()
                && types().all(|(argument, (_, wanted))| is(argument.ty, wanted))
                && found.result.as_ref().is_some_and(|found| is(found.ty, result))
        });
        if fits {
            return Ok(());
        }
        let list = arguments.iter().map(|(name, of)| format!("{name}: {of}"));
        let list = list.collect::<Vec<_>>().join(", ");
        refuse(format!("the text must declare `fn {function}({list}) -> {result}`"))
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

    /// The spelling of the types that a function of the user's may take: numbers, vectors of four, structs.
    fn spelt(ty: &wgpu::naga::Type) -> &str {
        match ty.inner {
            TypeInner::Scalar(Scalar::F32) => "f32",
            TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar::F32 } => "vec4<f32>",
            _ => ty.name.as_deref().unwrap_or_default(),
        }
    }
}
