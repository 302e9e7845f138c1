//! The type of number that products are computed in.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// The type of number of the large matrices, and so of the products with them; everything else stays in single precision: sums,
/// norms, the softmax, losses. Micikevicius et al. 2018 <https://arxiv.org/abs/1710.03740>.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision: 24 significant bits.
    #[default]
    F32,
    /// Half the bytes, with the range of single precision and 8 significant bits.
    Bf16,
    /// Half the bytes, with 11 significant bits and a range from 6e-8 to 65,504.
    F16,
}

impl Precision {
    /// As Burn calls it.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }

    /// As recipes and commands call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// The bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// Whether a device computes so.
    pub fn is_supported<B: Backend>(self, device: &B::Device) -> bool {
        B::supports_dtype(device, self.dtype())
    }

    /// A module whose linear layers, tables and heads have numbers of this type. Gradients flow back to those it was made from.
    pub fn cast<B: Backend, M: Module<B>>(self, module: M) -> M {
        if self == Self::F32 {
            return module;
        }
        module.map(&mut Casting {
            dtype: self.dtype(),
            container: Vec::new(),
        })
    }
}

/// What holds matrices that vectors are multiplied by, as Burn names it to a mapper.
const HOLDERS: [&str; 3] = ["Struct:Linear", "Struct:Embedding", "Struct:Head"];

struct Casting {
    dtype: DType,
    container: Vec<String>,
}

impl<B: Backend> ModuleMapper<B> for Casting {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.container.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.container.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let is_held = self
            .container
            .last()
            .is_some_and(|last| HOLDERS.contains(&last.as_str()));
        if D != 2 || !is_held {
            return param;
        }
        let (id, weight, mapper) = param.consume();
        Param::from_mapped_value(id, cast_to(weight, self.dtype), mapper)
    }
}

/// Half precision as single precision.
pub(crate) fn widen<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    match x.dtype() {
        DType::BF16 | DType::F16 => x.cast(DType::F32),
        _ => x,
    }
}

/// The same numbers as another type, unless they are of it.
pub(crate) fn cast_to<B: Backend, const D: usize>(x: Tensor<B, D>, dtype: DType) -> Tensor<B, D> {
    match x.dtype() == dtype {
        true => x,
        false => x.cast(dtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Gpt, GptConfig, LanguageModel, RnnKind, RnnLm, RnnLmConfig, StackSize, TestBackend,
    };
    use burn::backend::Autodiff;
    use burn::module::ModuleVisitor;
    use burn::tensor::backend::AutodiffBackend;
    use burn::tensor::{Int, TensorData, Tolerance};

    type Trained = Autodiff<TestBackend>;

    fn tokens<B: Backend>() -> Tensor<B, 2, Int> {
        Tensor::from_ints([[1, 5, 3, 5, 2, 0, 4, 5]], &Default::default())
    }

    fn gpt<B: Backend>() -> Gpt<B> {
        GptConfig::tiny(8).init(&Default::default())
    }

    /// How far numbers may lie apart that went through some layers of a few significant bits.
    fn tolerance(precision: Precision) -> Tolerance<f32> {
        match precision {
            Precision::F32 => Tolerance::absolute(0.0),
            Precision::Bf16 => Tolerance::absolute(0.02),
            Precision::F16 => Tolerance::absolute(0.002),
        }
    }

    fn assert_near(found: TensorData, expected: &TensorData, precision: Precision) {
        assert_eq!(found.dtype, DType::F32);
        found.assert_approx_eq(expected, tolerance(precision));
    }

    #[test]
    fn every_body_computes_in_every_precision() {
        let device = Default::default();
        let size = StackSize {
            d_model: 16,
            n_heads: 4,
            n_layers: 2,
        };
        let mut config = GptConfig::llama(8, 32, size);
        config.decoder.n_kv_heads = Some(2);
        let llama: Gpt<TestBackend> = config.init(&device);
        let lstm: RnnLm<TestBackend> = RnnLmConfig::tiny(RnnKind::Lstm, 8).init(&device);
        let gpt = gpt::<TestBackend>();
        let (gpt_logits, llama_logits, lstm_logits) = (
            gpt.forward(tokens()).into_data(),
            llama.forward(tokens()).into_data(),
            lstm.forward(tokens()).into_data(),
        );
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            let found = precision.cast(gpt.clone()).forward(tokens()).into_data();
            assert_near(found, &gpt_logits, precision);
            let found = precision.cast(llama.clone()).forward(tokens()).into_data();
            assert_near(found, &llama_logits, precision);
            let found = precision.cast(lstm.clone()).forward(tokens()).into_data();
            assert_near(found, &lstm_logits, precision);
        }
    }

    #[test]
    fn gradients_arrive_at_the_weights_that_were_cast() {
        struct Found<'a>(&'a <Trained as AutodiffBackend>::Gradients, Vec<TensorData>);
        impl ModuleVisitor<Trained> for Found<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Trained, D>>) {
                let gradient = param.val().grad(self.0).expect("a gradient");
                self.1.push(gradient.into_data());
            }
        }
        let model: Gpt<Trained> = gpt();
        let gradients = |precision: Precision| {
            let logits = precision.cast(model.clone()).forward(tokens());
            let gradients = logits.square().mean().backward();
            let mut found = Found(&gradients, Vec::new());
            model.visit(&mut found);
            found.1
        };
        let expected = gradients(Precision::F32);
        for precision in [Precision::Bf16, Precision::F16] {
            let found = gradients(precision);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.into_iter().zip(&expected) {
                assert_near(found, expected, precision);
            }
        }
    }
}
