//! The fastest tilings for a program's products, measured on the user's own device.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::choice::MatMul;
use super::kernel::matmul::Tiling;
use super::{Choices, Fusion, Gpu, Plan};
use crate::error::{Error, Result};
use crate::ir::{DType, Form, Op, Product, Program, StepEntry};
use crate::ops::LinearOp;
use crate::shape::Shape;
use crate::time::Instant;

/// Rounds of a measurement, of which the fastest counts.
const ROUNDS: usize = 5;

/// A product's form and sides: m, k, n, and how many there are.
type ProductSizes = (Form, [usize; 4]);

/// The tilings that were fastest, by form and sides. As text it is a line per product, to be saved and read again:
///
/// ```
/// use wgrad::embed::Tuning;
///
/// let text = "nn 1000 x 64 x 64 x 1: Shared\n";
/// let tuning: Tuning = text.parse()?;
/// assert_eq!(tuning.to_string(), text);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    fastest: BTreeMap<ProductSizes, MatMul>,
}

fn sides(form: Form, product: &Product) -> ProductSizes {
    (form, [product.m, product.k, product.n, product.count()])
}

impl Tuning {
    /// The number of products with a measured tiling.
    #[doc(hidden)]
    pub fn len(&self) -> usize {
        self.fastest.len()
    }

    /// Returns whether there are none.
    #[doc(hidden)]
    pub fn is_empty(&self) -> bool {
        self.fastest.is_empty()
    }

    pub(super) fn tiling(&self, form: Form, product: &Product) -> Option<MatMul> {
        self.fastest.get(&sides(form, product)).copied()
    }
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((form, [m, k, n, count]), tiling) in &self.fastest {
            writeln!(f, "{} {m} x {k} x {n} x {count}: {tiling:?}", form.name())?;
        }
        Ok(())
    }
}

impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let line = |line: &str| {
            let (product, tiling) = line.split_once(": ")?;
            let (form, sides) = product.split_once(' ')?;
            let form = Form::ALL.into_iter().find(|own| own.name() == form)?;
            let sides: Option<Vec<usize>> =
                sides.split(" x ").map(|side| side.parse().ok()).collect();
            let tiling = MatMul::ALL.into_iter().find(|own| format!("{own:?}") == tiling)?;
            Some(((form, sides?.try_into().ok()?), tiling))
        };
        let wrong = |text: &str| {
            let message = format!("'{text}' is no line such as 'nn 64 x 64 x 64 x 1: Small'");
            Error::unsupported("tuning", message)
        };
        let lines = text.lines().filter(|text| !text.trim().is_empty());
        let fastest = lines.map(|text| line(text).ok_or_else(|| wrong(text)));
        Ok(Self { fastest: fastest.collect::<Result<_>>()? })
    }
}

impl Gpu {
    /// Measures every tiling for every matrix product of a program, which compiles many kernels and takes seconds. Nothing
    /// else ever measures: without this a static table chooses, so that reruns on a device give the same bits.
    ///
    /// # Errors
    /// As [`Plan::new`] and [`Plan::run`].
    #[cfg(not(target_family = "wasm"))]
    pub fn tune(&self, program: &Program) -> Result<Tuning> {
        pollster::block_on(self.tune_async(program))
    }

    /// As [`Gpu::tune`], without blocking.
    ///
    /// # Errors
    /// As [`Gpu::tune`].
    pub async fn tune_async(&self, program: &Program) -> Result<Tuning> {
        let mut tuning = Tuning::default();
        for op in program.ops() {
            let Op::Linear(LinearOp::MatMul { a, b, out, form }) = op else { continue };
            let shapes = [a, b, out].map(|slot| program.shape(*slot));
            let [a, b, out] = shapes;
            let (a, b) = (a?, b?);
            let product = Product::into(*form, a, b, out?)?;
            let key = sides(*form, &product);
            if product.count() * product.m * product.k * product.n == 0
                || tuning.fastest.contains_key(&key)
            {
                continue;
            }
            let mut timed = Vec::with_capacity(MatMul::ALL.len());
            for tiling in MatMul::ALL {
                timed.push((self.time(tiling, *form, [a, b]).await?, tiling));
            }
            let fastest = timed.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b));
            tuning.fastest.extend(fastest.map(|(_, tiling)| (key, tiling)));
        }
        Ok(tuning)
    }

    /// The seconds of a product by a tiling.
    async fn time(&self, tiling: MatMul, form: Form, [a, b]: [Shape; 2]) -> Result<f64> {
        let choices = Choices { matmul: Some(tiling), fusion: Fusion::Never, ..self.choices() };
        let mut program = Program::new("tune", Vec::new());
        let a = program.input("a", a, DType::F32);
        let b = program.input("b", b, DType::F32);
        program.matmul("c", a, b, form)?;
        let rule = |_| StepEntry::rows(usize::MAX);
        let mut plan = Plan::new(&self.choosing(choices), program, None, &[], 0, rule)?;
        let mut fastest = f64::INFINITY;
        for _ in 0..=ROUNDS {
            let start = Instant::now();
            plan.run(4)?;
            self.finished("tune").await?;
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        Ok(fastest)
    }

    /// The tiling of a product, and how much of its inner side a workgroup takes.
    pub(crate) fn product(&self, form: Form, product: &Product) -> (Tiling, usize) {
        self.choices().product(form, product, self.tuning.tiling(form, product))
    }

    /// The same device for plans whose products take the tilings of `tuning`; others are the table's.
    pub fn tuned(&self, tuning: Tuning) -> Self {
        Self { tuning: std::sync::Arc::new(tuning), ..self.clone() }
    }

    /// The tilings that were measured, if any were.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }
}
