//! Former names, for one release.
//!
//! ```
//! #![allow(deprecated)]
//! use wgrad::cpu::{self, Interpreter};
//! use wgrad::gpu::{self, Budget, Choices, Fusion, Gpu, Plan, Region, TextureCopy, Tuning, View};
//! use wgrad::nn::{Around, Goal, Wiring};
//! use wgrad::program::{Averaging, DType, Form, GradientTransforms, LossInputs, Slot, StepEntry, Steps};
//! use wgrad::train::{Inference, Metrics, Snapshot, StepFigures, StepOptions, TrainingStep};
//!
//! let options: wgrad::embed::StepOptions = StepOptions::rows(64);
//! let weights: cpu::Weights<f32> = wgrad::ir::InterpreterWeights::default();
//! fn same(weights: gpu::Weights) -> wgrad::ir::PlanWeights {
//!     weights
//! }
//! ```

use crate::error::Result;
use crate::ir::{Program, Slot};
use crate::spec::Activation;
use crate::{Device, Tensor};

/// The former place of [`embed`](crate::embed) and [`ir::Plan`](crate::ir::Plan).
#[doc(hidden)]
#[deprecated(
    since = "0.1.0",
    note = "now in `wgrad::embed`; `Plan` and `PlanWeights` in `wgrad::ir`"
)]
pub mod gpu {
    pub use crate::embed::{
        Budget, Choices, Class, Fusion, Gpu, MatMul, MemoryUse, Profile, ProfileRow, Region,
        TextureCopy, Tuning, View,
    };
    pub use crate::ir::{Plan, PlanWeights as Weights};
}

/// The former place of [`ir::Interpreter`](crate::ir::Interpreter).
#[doc(hidden)]
#[deprecated(since = "0.1.0", note = "now `wgrad::ir::{Interpreter, InterpreterWeights}`")]
pub mod cpu {
    pub use crate::ir::{Interpreter, InterpreterWeights as Weights};
}

/// The former name of [`ir`](crate::ir).
#[doc(hidden)]
#[deprecated(since = "0.1.0", note = "renamed to `wgrad::ir`")]
pub mod program {
    pub use crate::ir::{
        DType, Form, LinearInputs, LossInputs, ParamInfo, Program, Slot, StepEntry, Steps,
        TripletDistances,
    };
    pub use crate::nn::GradientTransforms;
    pub use crate::train::Averaging;
}

/// Former names in [`train`](crate::train).
pub(crate) mod steps {
    use crate::embed;

    macro_rules! moved {
        ($($name:ident $(<$life:lifetime>)?),*) => {$(
            /// The former name of the type in [`embed`].
            #[doc(hidden)]
            #[deprecated(since = "0.1.0", note = "now in `wgrad::embed`")]
            pub type $name $(<$life>)? = embed::$name $(<$life>)?;
        )*};
    }
    moved!(Inference, Metrics<'a>, Snapshot, StepFigures, StepOptions, TrainingStep);
}

/// Former names in [`nn`](crate::nn).
pub(crate) mod nn {
    use crate::nn::{GradientTransforms, Objective, ProgramIo};

    /// The former name of [`Objective`].
    #[deprecated(since = "0.1.0", note = "renamed to `Objective`")]
    pub type Goal = Objective;

    /// The former name of [`ProgramIo`].
    #[deprecated(since = "0.1.0", note = "renamed to `ProgramIo`")]
    pub type Wiring = ProgramIo;

    /// The former name of [`GradientTransforms`].
    #[deprecated(since = "0.1.0", note = "renamed to `GradientTransforms`")]
    pub type Around = GradientTransforms;
}

#[doc(hidden)]
impl Activation {
    /// The former name of [`Activation::eval_mode`].
    #[deprecated(since = "0.1.0", note = "renamed to `eval_mode`")]
    pub fn evaluated(&self) -> Self {
        self.eval_mode()
    }

    /// The former name of [`Activation::is_parametric`].
    #[deprecated(since = "0.1.0", note = "renamed to `is_parametric`")]
    pub fn is_learned(&self) -> bool {
        self.is_parametric()
    }

    /// The former name of [`Activation::initial_weights`].
    #[deprecated(since = "0.1.0", note = "renamed to `initial_weights`")]
    pub fn first_weights(&self, cols: usize) -> Option<Vec<f64>> {
        self.initial_weights(cols)
    }
}

#[doc(hidden)]
impl Program {
    /// The former name of [`Program::parametric`].
    ///
    /// # Errors
    /// As there.
    #[deprecated(since = "0.1.0", note = "renamed to `parametric`")]
    pub fn learned(&mut self, name: &str, f: Activation, x: Slot, weight: Slot) -> Result<Slot> {
        self.parametric(name, f, x, weight)
    }
}

#[doc(hidden)]
impl Device {
    /// The former name of [`Device::parametric`].
    ///
    /// # Errors
    /// As there.
    #[deprecated(since = "0.1.0", note = "renamed to `parametric`")]
    pub fn learned(&self, f: Activation, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        self.parametric(f, x, weight)
    }

    /// The former name of [`Device::parametric_backward`].
    ///
    /// # Errors
    /// As there.
    #[deprecated(since = "0.1.0", note = "renamed to `parametric_backward`")]
    pub fn learned_backward(
        &self,
        f: Activation,
        x: &Tensor,
        weight: &Tensor,
        grad_out: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.parametric_backward(f, x, weight, grad_out)
    }
}
