//! Tensors, and single ops with the same API on either device.

use std::sync::{Arc, PoisonError, RwLock};

use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

use super::Device;
use crate::engine::cpu::{self, Interpreter};
use crate::engine::gpu::{Gpu, Plan, TensorMemory, View};
use crate::error::{Error, Result};
use crate::ir::{DType, Form, Op, Program, Slot, StepEntry};
use crate::numeric::check_memory;
use crate::shape::Shape;

/// An array of `f32` values or class indices on a device. Ops return new tensors; only an [`Updater`](super::Updater)
/// changes those that it was given.
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Shape,
    dtype: DType,
    /// The two largest distinct class indices; two, since the largest may be the ignored index.
    largest: [Option<u32>; 2],
    place: Storage,
    /// The pending check whether a loss computed this from values that are not probabilities.
    doubt: Option<Arc<PendingCheck>>,
}

/// A pending check of the elements that a loss took as probabilities; the fraction outside 0 to 1 lies on the device.
#[derive(Debug)]
pub(super) struct PendingCheck {
    pub op: String,
    /// The kind of the elements, their number and the fraction outside 0 to 1.
    pub fractions: Vec<(&'static str, usize, Tensor)>,
}

impl PendingCheck {
    async fn check(&self) -> Result<()> {
        for (what, count, fraction) in &self.fractions {
            self.refuse(what, *count, &fraction.numbers().await?)?;
        }
        Ok(())
    }

    /// Checks the fractions that are in host memory.
    pub(crate) fn check_at_hand(&self) -> Result<()> {
        self.fractions.iter().try_for_each(|(what, count, fraction)| match &fraction.place {
            Storage::Numbers(fraction) => self.refuse(what, *count, &fraction.now()),
            _ => Ok(()),
        })
    }

    fn refuse(&self, what: &str, all: usize, fraction: &[f32]) -> Result<()> {
        let fraction = fraction.first().copied().map_or(0.0, f64::from);
        if fraction.is_nan() || fraction <= 0.0 {
            return Ok(());
        }
        let count = (fraction * all as f64).round().max(1.0);
        let message = format!("{count} of {all} {what} lie outside 0 to 1; it takes probabilities");
        Err(Error::Target { op: self.op.clone(), message })
    }
}

#[derive(Clone, Debug)]
enum Storage {
    Numbers(HostValues),
    Indices(Arc<Vec<u32>>),
    Gpu(Gpu, View, Option<Arc<TensorMemory>>),
}

impl Storage {
    /// The memory of a new tensor, whose buffer has nothing else.
    fn made(gpu: &Gpu, view: View) -> Self {
        let lease = gpu.lease(&view.region);
        Self::Gpu(gpu.clone(), view, Some(lease))
    }
}

/// Values in host memory, shared by the tensors over them.
#[derive(Clone, Debug)]
struct HostValues(Arc<RwLock<Arc<Vec<f32>>>>);

impl HostValues {
    fn new(values: Arc<Vec<f32>>) -> Self {
        Self(Arc::new(RwLock::new(values)))
    }

    /// The values as they are now. A panic elsewhere leaves them whole, so a poisoned lock is not an error.
    fn now(&self) -> Arc<Vec<f32>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, values: Vec<f32>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(values);
    }
}

impl Tensor {
    /// The tensor's shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The memory of the tensor; `None` on the CPU.
    pub fn view(&self) -> Option<&View> {
        match &self.place {
            Storage::Gpu(_, view, lease) => {
                lease.iter().for_each(|lease| lease.expose());
                Some(view)
            }
            _ => None,
        }
    }

    /// The same elements under another shape, without a copy.
    ///
    /// ```
    /// use wgrad::Device;
    ///
    /// let x = Device::cpu().tensor(&ndarray::array![[1.0, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(x.reshape(&[4])?.read()?, ndarray::array![1.0, 2.0, 3.0, 4.0].into_dyn());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements differs; [`Error::Limit`] for more than six axes.
    pub fn reshape(&self, extents: &[usize]) -> Result<Self> {
        let shape = Shape::new(extents)?;
        if shape.len() != self.shape.len() {
            let [have, want] = [self.shape.len(), shape.len()];
            let message = format!("{} has {have} elements, {shape} has {want}", self.shape);
            return Err(Error::shapes("reshape", [self.shape, shape], message));
        }
        let mut place = self.place.clone();
        if let Storage::Gpu(_, view, _) = &mut place {
            view.shape = shape;
        }
        Ok(Self { shape, place, ..self.clone() })
    }

    /// Reads the values.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it holds indices; [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn read(&self) -> Result<ArrayD<f32>> {
        pollster::block_on(self.read_async())
    }

    /// As [`Tensor::read`], without blocking.
    ///
    /// # Errors
    /// As [`Tensor::read`].
    pub async fn read_async(&self) -> Result<ArrayD<f32>> {
        if let Some(doubt) = &self.doubt {
            doubt.check().await?;
        }
        self.array(self.numbers().await?)
    }

    async fn numbers(&self) -> Result<Vec<f32>> {
        match (&self.place, self.dtype) {
            (Storage::Numbers(numbers), _) => Ok(numbers.now().to_vec()),
            (Storage::Gpu(gpu, view, _), DType::F32) => {
                gpu.read_numbers("tensor", &view.region, self.shape.len()).await
            }
            _ => Err(Error::unsupported("read", "it holds indices; take read_indices")),
        }
    }

    /// Returns whether the elements are values rather than indices.
    pub(super) fn holds_numbers(&self) -> bool {
        self.dtype == DType::F32
    }

    /// The same tensor with a pending check, which makes reading fail for inputs that were not probabilities.
    pub(super) fn doubted(self, doubt: &Arc<PendingCheck>) -> Self {
        Self { doubt: Some(doubt.clone()), ..self }
    }

    /// Reads the indices.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it holds values; [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn read_indices(&self) -> Result<ArrayD<u32>> {
        pollster::block_on(self.read_indices_async())
    }

    /// As [`Tensor::read_indices`], without blocking.
    ///
    /// # Errors
    /// As [`Tensor::read_indices`].
    pub async fn read_indices_async(&self) -> Result<ArrayD<u32>> {
        let indices = match (&self.place, self.dtype) {
            (Storage::Indices(indices), _) => indices.to_vec(),
            (Storage::Gpu(gpu, view, _), DType::U32) => {
                gpu.read_words("tensor", &view.region, self.shape.len()).await?
            }
            _ => return Err(Error::unsupported("read_indices", "it holds numbers; take read")),
        };
        self.array(indices)
    }

    fn array<T>(&self, elements: Vec<T>) -> Result<ArrayD<T>> {
        let shape = IxDyn(&self.shape.to_vec());
        ArrayD::from_shape_vec(shape, elements).map_err(|error| Error::Internal(error.to_string()))
    }

    /// Fails if an index other than `ignored` is not below `limit`.
    pub(super) fn check_indices(&self, op: &str, limit: usize, ignored: Option<u32>) -> Result<()> {
        let is_fault = |class: &&u32| **class as usize >= limit && Some(**class) != ignored;
        let Some(class) = self.largest.iter().flatten().find(is_fault) else { return Ok(()) };
        let message = format!("class {class} among the targets; there are {limit} classes");
        Err(Error::Target { op: op.to_string(), message })
    }

    /// The values in host memory, if they are there.
    pub(super) fn values(&self) -> Option<Arc<Vec<f32>>> {
        match &self.place {
            Storage::Numbers(numbers) => Some(numbers.now()),
            _ => None,
        }
    }

    /// Replaces the values in host memory, also for the other tensors over them.
    pub(super) fn replace(&self, values: Vec<f32>) {
        if let Storage::Numbers(numbers) = &self.place {
            numbers.replace(values);
        }
    }

    /// Returns whether two tensors share elements.
    pub(crate) fn shares_memory(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Storage::Numbers(a), Storage::Numbers(b)) => Arc::ptr_eq(&a.0, &b.0),
            (Storage::Gpu(_, a, _), Storage::Gpu(_, b, _)) => a.region.overlaps(&b.region),
            _ => false,
        }
    }

    /// Fails unless it holds values on the device.
    pub(super) fn check_on(&self, device: &Device, op: &str) -> Result<()> {
        match (&self.place, device) {
            (Storage::Indices(_), _) => Err(Error::unsupported(op, "a tensor holds indices")),
            (Storage::Numbers(_), Device::Cpu) => Ok(()),
            (Storage::Gpu(owner, view, _), Device::Gpu(gpu)) if owner.id() == gpu.id() => {
                view.check(gpu, op, "a tensor")?;
                match view.dtype {
                    DType::F32 => Ok(()),
                    DType::U32 => Err(Error::unsupported(op, "a tensor holds indices")),
                }
            }
            _ => Err(Error::other_device(op, "a tensor")),
        }
    }

    /// The largest index, if known.
    pub(super) fn largest_index(&self) -> Option<u32> {
        self.largest.first().copied().flatten()
    }

    /// Declares that all indices are below `limit`.
    pub(super) fn bound_indices(&mut self, limit: usize) {
        self.largest = [limit.checked_sub(1).map(|largest| largest as u32), None];
    }
}

/// Single ops.
///
/// A GPU keeps the memory of tensors that are gone (256 MiB at most) and the last ops with the memory that they were over
/// (128, of 64 MiB in all): an op that comes again over the same memory, as in a loop, is dispatched without being lowered
/// anew. All of it is freed with the last [`Gpu`] of the device.
///
/// ```
/// use wgrad::{Activation, Device};
///
/// let device = Device::cpu();
/// let x = device.tensor(&ndarray::array![[-1.0, 0.0, 2.0]])?;
/// let y = device.activation(Activation::relu(), &x)?;
/// assert_eq!(y.read()?, ndarray::array![[0.0, 0.0, 2.0]].into_dyn());
/// # Ok::<(), wgrad::Error>(())
/// ```
impl Device {
    /// Copies an array, which need not be contiguous, to the device.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than six axes or more elements than the device can bind.
    pub fn tensor<D: Dimension>(
        &self,
        array: &ArrayBase<impl Data<Elem = f32>, D>,
    ) -> Result<Tensor> {
        let shape = Shape::new(array.shape())?;
        check_memory("tensor", shape.len() as u64 * 4)?;
        let numbers: Vec<f32> = array.iter().copied().collect();
        let place = match self {
            Self::Cpu => Storage::Numbers(HostValues::new(Arc::new(numbers))),
            Self::Gpu(gpu) => Storage::made(gpu, gpu.view(shape, bytemuck::cast_slice(&numbers))?),
        };
        Ok(Tensor { shape, dtype: DType::F32, largest: [None; 2], place, doubt: None })
    }

    /// A tensor in a buffer of the host's own, without a copy: it has what the host writes there, in the order of the
    /// submits.
    ///
    /// # Errors
    /// [`Error::Limit`] and [`Error::Unsupported`] unless kernels can bind the view; [`Error::Unsupported`] on the CPU
    /// reference.
    pub fn tensor_over(&self, view: &View) -> Result<Tensor> {
        let Self::Gpu(gpu) = self else {
            return Err(Error::unsupported("tensor_over", "the CPU reference has no buffers"));
        };
        view.check(gpu, "tensor_over", "the view")?;
        let place = Storage::Gpu(gpu.clone(), view.clone(), None);
        Ok(Tensor { shape: view.shape, dtype: view.dtype, largest: [None; 2], place, doubt: None })
    }

    /// Copies class indices to the device.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than the device can bind.
    pub fn classes(&self, labels: &[u32]) -> Result<Tensor> {
        self.classes_of(&[labels.len()], labels)
    }

    /// Copies class indices of shape `extents`, in row-major order, to the device.
    ///
    /// # Errors
    /// [`Error::Shape`] unless their number matches the extents; otherwise as [`Device::classes`].
    #[doc(hidden)]
    pub fn classes_of(&self, extents: &[usize], labels: &[u32]) -> Result<Tensor> {
        let shape = Shape::new(extents)?;
        if shape.len() != labels.len() {
            let message = format!("{} class indices for the shape {shape}", labels.len());
            return Err(Error::shape("classes", message));
        }
        let place = match self {
            Self::Cpu => Storage::Indices(Arc::new(labels.to_vec())),
            Self::Gpu(gpu) => Storage::made(gpu, gpu.view(shape, labels)?.indices()),
        };
        let top = labels.iter().max().copied();
        let largest = [top, labels.iter().filter(|label| Some(**label) != top).max().copied()];
        Ok(Tensor { shape, dtype: DType::U32, largest, place, doubt: None })
    }

    /// Multiplies two matrices; `form` selects which of them is transposed.
    ///
    /// # Errors
    /// [`Error::Shape`] if the inner dimensions differ; [`Error::Unsupported`] for a tensor of another device.
    pub fn matmul(&self, a: &Tensor, b: &Tensor, form: Form) -> Result<Tensor> {
        self.one(&[a, b], |program, slots| match slots {
            [a, b] => program.matmul("product", *a, *b, form),
            _ => Err(wrong_count()),
        })
    }

    /// Computes any ops of a [`Program`] over tensors: `build` gets the slots of the operands and returns those of the
    /// results.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::Device;
    ///
    /// let device = Device::cpu();
    /// let x = device.tensor(&array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    /// let [left, doubled] = device.compute([&x], |program, [x]| {
    ///     let left = program.slice("left", x, -1, 0..2)?;
    ///     Ok([program.transpose("left", left)?, program.scale("doubled", x, 2.0)?])
    /// })?;
    /// assert_eq!(left.read()?, array![[1.0, 4.0], [2.0, 5.0]].into_dyn());
    /// assert_eq!(doubled.read()?.sum(), 42.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// Any error of `build`; [`Error::Unsupported`] for a tensor of another device, or if a result holds indices.
    pub fn compute<const N: usize, const M: usize>(
        &self,
        operands: [&Tensor; N],
        build: impl FnOnce(&mut Program, [Slot; N]) -> Result<[Slot; M]>,
    ) -> Result<[Tensor; M]> {
        let results = self.run(&operands, |program, slots| {
            let slots = slots.try_into().map_err(|_| wrong_count())?;
            // An alias, an operand or a result that is given twice has no memory of its own.
            build(program, slots)?.into_iter().map(|slot| program.copy("result", slot)).collect()
        })?;
        results.try_into().map_err(|_| wrong_count())
    }

    pub(super) fn one(
        &self,
        inputs: &[&Tensor],
        build: impl FnOnce(&mut Program, &[Slot]) -> Result<Slot>,
    ) -> Result<Tensor> {
        let mut outputs = self.run(inputs, |program, slots| Ok(vec![build(program, slots)?]))?;
        outputs.pop().ok_or_else(wrong_count)
    }

    /// Builds a program over the inputs, runs it once and returns the slots that `build` returned as tensors.
    pub(super) fn run(
        &self,
        inputs: &[&Tensor],
        build: impl FnOnce(&mut Program, &[Slot]) -> Result<Vec<Slot>>,
    ) -> Result<Vec<Tensor>> {
        let mut program = Program::new("op", Vec::new());
        let slots: Vec<Slot> =
            inputs.iter().map(|input| program.input("input", input.shape, input.dtype)).collect();
        let outputs = build(&mut program, &slots)?;
        let slot = |slot: &Slot| program.slot(*slot).map(|info| (info.shape, info.dtype));
        let kinds = outputs.iter().map(slot).collect::<Result<Vec<_>>>()?;
        let shapes: Vec<Shape> = kinds.iter().map(|(shape, _)| *shape).collect();
        let places = match self {
            Self::Cpu => run_cpu(program, inputs, &slots, &outputs)?,
            Self::Gpu(gpu) => run_gpu(gpu, program, inputs, &slots, &outputs, &shapes)?,
        };
        let tensor = |(place, (shape, dtype))| Tensor {
            shape,
            dtype,
            largest: [None; 2],
            place,
            doubt: None,
        };
        Ok(places.into_iter().zip(kinds).map(tensor).collect())
    }
}

/// A row count that includes every row.
const ALL_ROWS: usize = u32::MAX as usize;

fn run_cpu(
    program: Program,
    inputs: &[&Tensor],
    slots: &[Slot],
    outputs: &[Slot],
) -> Result<Vec<Storage>> {
    check_memory("op", program.bytes())?;
    let mut interpreter = Interpreter::<f32>::new(program);
    for (input, slot) in inputs.iter().zip(slots) {
        match &input.place {
            Storage::Numbers(numbers) => interpreter.lend(*slot, numbers.now())?,
            Storage::Indices(indices) => interpreter.write_indices(*slot, indices)?,
            Storage::Gpu(..) => return Err(other_device(interpreter.program())),
        }
    }
    interpreter.run(&mut cpu::InterpreterWeights::default(), &StepEntry::rows(ALL_ROWS))?;
    let place = |slot: &Slot| match interpreter.program().slot(*slot)?.dtype {
        DType::F32 => Ok(Storage::Numbers(HostValues::new(interpreter.shared(*slot)?))),
        DType::U32 => Ok(Storage::Indices(Arc::new(interpreter.read_indices(*slot)?.to_vec()))),
    };
    outputs.iter().map(place).collect()
}

fn run_gpu(
    gpu: &Gpu,
    program: Program,
    inputs: &[&Tensor],
    slots: &[Slot],
    outputs: &[Slot],
    shapes: &[Shape],
) -> Result<Vec<Storage>> {
    let (mut views, mut leases) = (Vec::with_capacity(inputs.len()), Vec::new());
    for (input, slot) in inputs.iter().zip(slots) {
        match &input.place {
            Storage::Gpu(owner, view, lease) if owner.id() == gpu.id() => {
                views.push((*slot, view.clone()));
                leases.extend(lease.clone());
            }
            _ => return Err(other_device(&program)),
        }
    }
    if let Some(made) = gpu.run_again(&program, &views, outputs)? {
        // Each output is one of its own.
        let place = |(_, view)| Storage::made(gpu, view);
        return Ok(made.into_iter().map(place).collect());
    }
    let mut made = Vec::new();
    for slot in outputs.iter().filter(|slot| program.is_written_whole(**slot)) {
        if made.iter().all(|(own, _)| own != slot) {
            let info = program.slot(*slot)?;
            let region = gpu.pooled(&info.name, info.shape.len())?;
            made.push((*slot, View { region, shape: info.shape, dtype: info.dtype }));
        }
    }
    let all: Vec<_> = views.iter().chain(&made).cloned().collect();
    let mut plan = Plan::new(gpu, program, None, &all, 0, |_| StepEntry::rows(ALL_ROWS))?;
    plan.run(1)?;
    if made.iter().map(|(slot, _)| slot).eq(outputs) {
        let places = made.iter().map(|(_, view)| Storage::made(gpu, view.clone())).collect();
        gpu.keep_op(plan, views, made);
        return Ok(places);
    }
    let mut place = |(slot, shape): (&Slot, &Shape)| {
        let region = plan.region(*slot).cloned().ok_or_else(wrong_count)?;
        let dtype = plan.program().slot(*slot)?.dtype;
        let view = View { region, shape: *shape, dtype };
        let is_given = slots.contains(&plan.program().base(*slot));
        let known = leases.iter().find(|lease| lease.is_of(&view.region)).cloned();
        let lease = known.or_else(|| (!is_given).then(|| gpu.lease(&view.region)));
        leases.extend(lease.clone());
        Ok(Storage::Gpu(gpu.clone(), view, lease))
    };
    outputs.iter().zip(shapes).map(&mut place).collect()
}

fn other_device(program: &Program) -> Error {
    let op = program.ops().first().map_or_else(|| program.name().to_string(), Op::name);
    Error::other_device(op, "a tensor")
}

pub(super) fn wrong_count() -> Error {
    Error::Internal("an op returned an unexpected number of outputs".into())
}
