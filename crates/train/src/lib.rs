//! Training: recipes, objectives, the loop, schedules and optimisers, and what a run leaves behind.
//!
//! [`run`] does everything a recipe asks for: it reads the data, makes the tokenizer and the model, trains, and keeps
//! the best and the last model, the metrics and their picture in the run's folder. The crate prints nothing; an observer
//! hears of each [`Event`]. [`plot_losses`] and [`HeatMap`] draw what came of it.

mod checkpoint;
mod encoders;
mod error;
mod event;
mod fingerprint;
mod freezing;
mod gradients;
mod group;
mod heat_map;
mod logs;
mod loss_scale;
mod metrics;
mod names;
mod objective;
mod objectives;
mod optimizer;
mod pairs;
mod parts;
mod plot;
mod recipe;
mod rehearsal;
mod run;
mod schedule;
mod speech;
mod timing;
mod trained;
mod trainer;
mod update;
mod work;

pub use encoders::{held_out_images, held_out_texts};
pub use error::TrainError;
pub use event::{Event, Outcome, Progress, Request};
pub use group::{Alone, Group, GroupError, Incoming, Mpi, Numbers, SharedMemory, Streams};
pub use heat_map::{HeatMap, Shading};
pub use metrics::{Metric, Split, read_metrics};
pub use objective::{Evaluation, Objective, Package, Trainable};
pub use objectives::{
    Classification, LanguageModelling, MaskedModelling, PairLoss, SpeechRecognition, SpeechWeights,
    Translation,
};
pub use optimizer::ParameterOptimizer;
pub use pairs::held_out_pairs;
pub use plot::plot_losses;
pub use recipe::{
    Architecture, AugmentRecipe, DataRecipe, DataShape, EmbeddedCorpus, InitialisationKind,
    LogKind, LoraRecipe, ModelRecipe, OptimizerKind, PositionKind, Recipe, RecipeError,
    ScheduleKind, TokenizerKind, TokenizerRecipe, TrainRecipe,
};
pub use rehearsal::{Memory, Rehearsal, Stage, rehearse};
pub use run::{Resume, RunOptions, run, run_with};
pub use schedule::Schedule;
pub use speech::held_out_utterances;
pub use timing::{Timing, time_steps};
