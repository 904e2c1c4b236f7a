//! Converts a trainer to tensors and fields.

use super::container::{self, Fields, FileResult, StoredTensor, StoredValues, checksum_of_values};
use super::weights::batch_counts;
use super::{MODEL_FIELD, STATE_FIELD, model, plateau};
use crate::ir::WeightValues;
use crate::train::Trainer;

impl Trainer {
    /// The bytes of the weights file and of the state file.
    pub(super) fn pair_of(&self, mut values: WeightValues) -> FileResult<[Vec<u8>; 2]> {
        let params = std::mem::take(&mut values.params);
        let fields = self.fields(&params);
        let (state, checksum) = container::write_checked(&self.state_tensors(values), fields)?;
        let mut model_fields = self.model_fields();
        model_fields.insert(MODEL_FIELD.to_string(), model::checksum(&model_fields, &params));
        let mut weights = self.param_tensors(params);
        weights.extend(self.batch_counts());
        let mut fields = model_fields;
        fields.insert(STATE_FIELD.to_string(), checksum);
        Ok([container::write(&weights, fields)?, state])
    }

    /// The bytes of a single container with parameters and state.
    pub(super) fn whole_of(&self, mut values: WeightValues) -> FileResult<Vec<u8>> {
        let params = std::mem::take(&mut values.params);
        let fields = self.fields(&params);
        let mut tensors = self.state_tensors(values);
        tensors.extend(self.param_tensors(params));
        container::write_checked(&tensors, fields).map(|(bytes, _)| bytes)
    }

    fn fields(&self, params: &[Vec<f32>]) -> Fields {
        let run = [
            ("optimizer", self.settings.optimizer.to_string()),
            ("step", self.step.to_string()),
            ("updates", self.updates.to_string()),
            ("gathered", self.gathered.to_string()),
            ("epoch", self.epoch.to_string()),
            ("seed", self.settings.seed.to_string()),
            ("plateau", plateau::text_of(&self.plateau_state)),
            ("weights", checksum_of_values(params)),
        ];
        let all = run.into_iter().chain(self.fixed_settings());
        let all = all.map(|(name, text)| (name.to_string(), text));
        all.chain(self.tuning_fields()).chain(self.model_fields()).collect()
    }

    /// The names and shapes of the tensors other than the parameters: for each state value one per parameter, then the
    /// values that the optimizer carries from step to step.
    pub(super) fn state_layout(&self) -> Vec<(String, Vec<usize>)> {
        let states = self.state_names().into_iter().enumerate().flat_map(|(number, state)| {
            self.settings.network.params().iter().map(move |info| {
                let extents = self.settings.optimizer.layout(number).extents(info.shape);
                (format!("{state}/{}", info.name), extents)
            })
        });
        let carried = self.settings.optimizer.initial_carried().into_iter();
        states.chain(carried.map(|(name, first)| (name.to_string(), vec![first.len()]))).collect()
    }

    fn state_tensors(&self, values: WeightValues) -> Vec<StoredTensor> {
        let mut states = values.states.into_iter().flatten();
        let mut carried = values.carried.into_iter();
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let len = shape.iter().product();
            let values = states.next().unwrap_or_else(|| carried.by_ref().take(len).collect());
            StoredTensor { name, shape, values: StoredValues::F32(values) }
        };
        self.state_layout().into_iter().map(tensor).collect()
    }

    fn param_tensors(&self, params: Vec<Vec<f32>>) -> Vec<StoredTensor> {
        let tensors = self.settings.network.params().iter().zip(params);
        tensors
            .map(|(info, values)| {
                let (name, shape) = (info.name.clone(), info.shape.to_vec());
                StoredTensor { name, shape, values: StoredValues::F32(values) }
            })
            .collect()
    }

    /// The `num_batches_tracked` of each batch norm, as in a PyTorch state_dict.
    fn batch_counts(&self) -> Vec<StoredTensor> {
        let count = i64::try_from(self.step).unwrap_or(i64::MAX);
        let tensor = |name| StoredTensor { name, shape: vec![], values: StoredValues::I64(count) };
        batch_counts(&self.settings.network).map(tensor).collect()
    }
}
